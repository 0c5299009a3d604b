import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { sshCommand } from './ssh.ts'

const DESKTOP = { id: 7, word: 'ann-office' }

function argv(more: string[], self: string[] = ['/usr/bin/node', '/opt/qa.ts']): string[] {
  return sshCommand({ argv: self }, DESKTOP, more).argv
}

test('ssh is started with us as its proxy command, and knows the desktop by its number', () => {
  expect(argv([])).toEqual([
    ...['-o', `ProxyCommand='/usr/bin/node' '/opt/qa.ts' 'vm' 'tunnel' 'ann-office' 'kind=ssh'`],
    ...['-o', 'HostKeyAlias=ostler-desktop-7', '--', 'ostler-desktop-7'],
  ])
})

test.each([
  [
    ['-l', 'ann'],
    ['-l', 'ann', '--', 'ostler-desktop-7'],
  ],
  [
    ['-lann', '-v', 'ls', '-l'],
    ['-lann', '-v', '--', 'ostler-desktop-7', 'ls', '-l'],
  ],
  [['uptime'], ['--', 'ostler-desktop-7', 'uptime']],
  [['-i'], ['-i', '--', 'ostler-desktop-7']],
])('options of ssh stand before the host, a command behind it: %j', (more, end) => {
  expect(argv(more).slice(4)).toEqual(end)
})

test('no word of the proxy command is read by the shell or by ssh', () => {
  const self = ['/bin/echo', `it's 100% $HOME; "x" \\ *`]
  const [, option = ''] = argv([], self)
  const command = option.slice('ProxyCommand='.length).replaceAll('%%', '%')
  const said = execFileSync('/bin/sh', ['-c', command], { encoding: 'utf8' })
  expect(said).toBe(`${self[1] ?? ''} vm tunnel ann-office kind=ssh\n`)
})
