import { followLines } from '@ostler/kit/follow-lines.ts'
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'

/**
 * Runs inside a guest: makes an account and starts xinit with nxagent, as bare as it can be done, and prints how many
 * milliseconds each took. Usage: bare-session.ts NAME new|known
 */
const [name = '', kind = 'new'] = process.argv.slice(2)
const folder = '/run/bare'
const log = `${folder}/log`
mkdirSync(folder, { recursive: true })
chmodSync(folder, 0o777)
rmSync(log, { force: true })
rmSync(`${folder}/nx.sock`, { force: true })
mkdirSync('/tmp/.X11-unix', { recursive: true })
chmodSync('/tmp/.X11-unix', 0o1777)
const began = performance.now()
if (kind === 'new')
  execFileSync('/usr/sbin/useradd', ['--create-home', '--user-group', '--shell', '/bin/bash', '--', name])
const userReady = performance.now()
writeFileSync(
  `${folder}/options`,
  `nx/nx,link=adsl,client=linux,geometry=1024x768,keyboard=pc105/us,sleep=0,listen=unix:${folder}/nx.sock:90\n`,
)
const output = openSync(log, 'a')
const session = spawn(
  'setpriv',
  [
    ...[`--reuid=${name}`, `--regid=${name}`, '--init-groups', '--', 'xinit', '/usr/bin/xterm', '--'],
    ...[
      '/usr/bin/nxagent',
      ':90',
      '-nolisten',
      'tcp',
      '-ac',
      '-display',
      `nx/nx,options=${folder}/options:90`,
    ],
  ],
  {
    env: { PATH: process.env['PATH'], HOME: `/home/${name}`, USER: name, NX_CLIENT: '/bin/true' },
    stdio: ['ignore', output, output],
    detached: true,
  },
)
closeSync(output)
const stop = followLines(log, (line) => {
  if (!line.startsWith('Info: Waiting for connection')) return
  console.log(JSON.stringify({ userMs: userReady - began, totalMs: performance.now() - began }))
  setImmediate(() => stop())
  const agent = /pid '(\d+)'/.exec(execFileSync('cat', [log], { encoding: 'utf8' }))?.[1]
  // In its first moment it does not hear the signal.
  setTimeout(() => process.kill(Number(agent), 'SIGTERM'), 200)
  // xinit alone would look for its server for many seconds.
  setTimeout(() => session.kill('SIGTERM'), 400)
})
