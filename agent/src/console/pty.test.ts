import { comesToHold } from '@ostler/kit/poll.ts'
import { identify, isAlive, membersOfSession } from '@ostler/kit/process-table.ts'
import { execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { hostBeside, openPty, type Pty } from './pty.ts'

const HOST = join(import.meta.dirname, '../bin/console-host.ts')
const SIZE = { columns: 80, rows: 24 }
/** Rounds in which the tail of an output may not be lost. */
const ROUNDS = 20

const folder = mkdtempSync(join(tmpdir(), 'ostler-pty-'))
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

async function shell(script: string, size = SIZE): Promise<Pty> {
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', TERM: 'xterm-256color', LC_ALL: 'C.UTF-8' }
  return await openPty({ file: '/bin/bash', args: ['-c', script], env, cwd: '/', size }, HOST)
}

/** Everything that is printed until the end. */
async function printed(pty: Pty): Promise<Buffer> {
  const chunks: Buffer[] = []
  pty.stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(pty.stream, 'end')
  return Buffer.concat(chunks)
}

/** Reads until the output holds `text`, and returns what came so far. */
async function until(pty: Pty, text: string): Promise<string> {
  let output = Buffer.alloc(0)
  while (!output.includes(text)) {
    const chunk = pty.stream.read() as Buffer | null
    if (chunk === null) await once(pty.stream, 'readable')
    else output = Buffer.concat([output, chunk])
  }
  return output.toString()
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

test('a program has a terminal of the wanted size, and its exit code arrives', async () => {
  await using pty = await shell('tty; stty size; echo $TERM; exit 7', { columns: 132, rows: 43 })
  expect((await printed(pty)).toString()).toMatch(/^\/dev\/pts\/\d+\r\n43 132\r\nxterm-256color\r\n$/)
  expect(await pty.exited).toBe(7)
})

test('a program that a signal ended has the exit code of shells', async () => {
  await using pty = await shell('kill -KILL $$')
  await printed(pty)
  expect(await pty.exited).toBe(137)
})

test('a program that is not there says so on the terminal', async () => {
  await using pty = await openPty({ file: '/no/such', args: [], env: {}, cwd: '/', size: SIZE }, HOST)
  expect((await printed(pty)).toString()).toContain('No such file or directory')
  expect(await pty.exited).toBe(1)
})

test('the host lies beside the agent, in the sources and in the bundle', () => {
  expect(hostBeside(join(import.meta.dirname, '../bin/vma.ts'))).toBe(HOST)
  expect(existsSync(HOST)).toBe(true)
  expect(hostBeside('/opt/ostler-vma/vma.cjs')).toBe('/opt/ostler-vma/console-host.cjs')
})

test('a host that cannot run is a fault with its last words', async () => {
  const missing = openPty({ file: '/bin/true', args: [], env: {}, cwd: '/', size: SIZE }, '/no/such/host.ts')
  await expect(missing).rejects.toMatchObject({ code: 'console.failed' })
  await expect(missing).rejects.toThrow(/Cannot find module/)
})

test.each([
  [0, 24],
  [80, 1001],
  [1.5, 24],
])('%d by %d is no size', async (columns, rows) => {
  await expect(shell('true', { columns, rows })).rejects.toThrow(RangeError)
})

test('the program hears of a new size', async () => {
  await using pty = await shell('trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.05; done')
  await until(pty, 'ready')
  pty.resize({ columns: 1000, rows: 1 })
  expect((await printed(pty)).toString()).toContain('1 1000')
})

test('Ctrl-C reaches the program', async () => {
  await using pty = await shell('trap "exit 42" INT; echo ready; while :; do sleep 0.05; done')
  await until(pty, 'ready')
  pty.stream.write('\x03')
  expect(await pty.exited).toBe(42)
})

test('characters survive, also when they are cut in the middle', async () => {
  await using pty = await shell('stty raw -echo; echo ready; exec head -c 9')
  await until(pty, 'ready\n')
  for (const byte of Buffer.from('ä€😀')) {
    pty.stream.write(Uint8Array.of(byte))
    await sleep(5)
  }
  expect((await printed(pty)).toString()).toBe('ä€😀')
})

test('a line is edited by characters, not by bytes', async () => {
  await using pty = await shell('stty -echo; echo ready; read -r line; echo "<$line>"')
  await until(pty, 'ready')
  pty.stream.write('ä€😀\x7fx\n')
  expect((await printed(pty)).toString()).toContain('<ä€x>')
})

test('bursts of 64 kB go both ways at once, and nothing is lost', async () => {
  await using pty = await shell('stty raw -echo; echo ready; exec head -c 1048576')
  await until(pty, 'ready\n')
  const sent = randomBytes(1 << 20)
  const received = printed(pty)
  for (let at = 0; at < sent.length; at += 65_536) {
    if (!pty.stream.write(sent.subarray(at, at + 65_536))) await once(pty.stream, 'drain')
  }
  expect(sha256(await received)).toBe(sha256(sent))
})

test(`2 MB and an exit: in ${ROUNDS} rounds not a byte is lost`, { timeout: 240_000 }, async () => {
  const file = join(folder, 'two-megabytes')
  execFileSync('sh', ['-c', `head -c 2097152 /dev/urandom > ${file}`])
  const wanted = sha256(readFileSync(file))
  for (let round = 0; round < ROUNDS; round++) {
    await using pty = await shell(`stty raw; cat ${file}; exit ${round}`)
    expect(sha256(await printed(pty))).toBe(wanted)
    expect(await pty.exited).toBe(round)
  }
})

test('who reads slowly loses nothing, though the program has long ended', async () => {
  await using pty = await shell('stty raw; head -c 600000 /dev/zero')
  let length = 0
  for await (const chunk of pty.stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length
    await sleep(20)
  }
  expect(length).toBe(600_000)
  expect(await pty.exited).toBe(0)
})

test('a reader that pauses stops the program, not the memory', async () => {
  const progress = join(folder, 'progress')
  await using pty = await shell(
    `stty raw; for ((i = 1; i <= 5000; i++)); do printf %01000d 0; echo $i > ${progress}; done`,
  )
  let before = ''
  await comesToHold(
    () => {
      const now = readFileSync(progress, { encoding: 'utf8', flag: 'a+' })
      const stands = now !== '' && now === before
      before = now
      return stands
    },
    30_000,
    500,
  )
  expect(Number(before)).toBeLessThan(2_500)
  expect((await printed(pty)).length).toBe(5_000_000)
})

test('a program that does not read stops the writer, and the agent goes on', async () => {
  await using pty = await shell('stty raw -echo; echo ready; sleep 1; exec head -c 1048576 | sha256sum')
  await until(pty, 'ready')
  const bytes = randomBytes(1 << 20)
  expect(pty.stream.write(bytes)).toBe(false)
  let ticks = 0
  const ticking = setInterval(() => ticks++, 10)
  const output = await printed(pty)
  clearInterval(ticking)
  expect(ticks).toBeGreaterThan(10)
  expect(output.toString()).toContain(sha256(bytes))
})

test('a hang-up ends the whole session, also who does not want to hear of it', async () => {
  const pty = await shell(
    'trap "" HUP; (trap "" HUP TERM; exec sleep 3001) & sleep 3002 & ps -o sess= -p $$; cat; sleep 3003',
  )
  const session = Number((await until(pty, '\n')).trim())
  const members = membersOfSession(session)
  expect(members.length).toBeGreaterThan(2)
  await pty.hangUp()
  expect(members.filter(isAlive)).toEqual([])
  expect(membersOfSession(session)).toEqual([])
})

test('a hang-up is not kept waiting by a program that neither reads nor stops printing', async () => {
  await using pty = await shell('stty raw -echo; ps -o sess= -p $$; exec yes')
  const session = Number(/\d+/.exec(await until(pty, '\n'))?.[0])
  pty.stream.write(randomBytes(1 << 20))
  await pty.hangUp()
  expect(membersOfSession(session)).toEqual([])
})

test('who ignores the hang-up outlives an orderly exit, and who goes on printing keeps nobody waiting', async () => {
  await using pty = await shell(
    '(while sleep 0.01; do echo noise; done) & trap "" HUP; sleep 3004 > /dev/null & echo "pid $!"',
  )
  const output = (await printed(pty)).toString()
  expect(await pty.exited).toBe(0)
  const sleeper = identify(Number(/pid (\d+)/.exec(output)?.[1]))
  expect(sleeper).toBeDefined()
  if (sleeper !== undefined) process.kill(sleeper.pid, 'SIGKILL')
})

test('nothing that the agent starts inherits a terminal', async () => {
  await using first = await shell('echo ready; read line')
  await until(first, 'ready')
  const descriptors = execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' })
  expect(descriptors).not.toMatch(/ptmx|pts/)
  await using second = await shell('ls -l /proc/$$/fd')
  expect((await printed(second)).toString()).not.toMatch(/ptmx/)
})

test('an agent that is killed takes its terminals along', async () => {
  const script = `
    import { openPty } from ${JSON.stringify(join(import.meta.dirname, 'pty.ts'))}
    const script = 'trap "" HUP; ps -o sess= -p $$; sleep 3005; sleep 3006'
    const program = { file: '/bin/bash', args: ['-c', script], env: { PATH: '/usr/bin:/bin' }, cwd: '/' }
    const pty = await openPty({ ...program, size: { columns: 80, rows: 24 } }, ${JSON.stringify(HOST)})
    pty.stream.pipe(process.stdout)`
  const agent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(agent.stdout, 'data')) as [Buffer]
  const session = Number(line.toString())
  expect(membersOfSession(session).length).toBeGreaterThan(0)
  agent.kill('SIGKILL')
  expect(await comesToHold(() => membersOfSession(session).length === 0, 30_000, 50)).toBe(true)
})

test('fifty consoles leave no descriptor and no process behind', { timeout: 240_000 }, async () => {
  const open = async (index: number): Promise<void> => {
    await using pty = await shell(index % 2 === 0 ? 'echo hello' : 'sleep 3007')
    if (index % 2 === 0) expect((await printed(pty)).toString()).toBe('hello\r\n')
  }
  await open(0) // what the first one loads stays
  const before = readdirSync('/proc/self/fd').length
  for (let index = 0; index < 50; index += 5)
    await Promise.all([0, 1, 2, 3, 4].map((offset) => open(index + offset)))
  expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before)
  expect(children()).toEqual([])
})

/** Living children of this process that hold a terminal for us. */
function children(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && identify(Number(name)) !== undefined)
    .filter((name) => {
      try {
        const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]
        return Number(parent) === process.pid && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(HOST)
      } catch {
        return false // it has just ended
      }
    })
}
