import { runBytes } from './gate/every-byte.ts'
import { runDoor } from './gate/real-door.ts'
import { runSplices } from './gate/splices.ts'

/**
 * The fault gate at length. `faults.ts 1000000 [seed]`: so many connections that go wrong, a tenth of them at the real
 * door; `faults.ts bytes 10 [seed]`: so many GB through the real door, every byte compared. Prints what it finds and
 * fails when something was left behind.
 */
const SESSIONS = 20
const [first = '20000', ...rest] = process.argv.slice(2)
const seed = Number((first === 'bytes' ? rest[1] : rest[0]) ?? Date.now() % 2 ** 31)
process.stdout.write(`seed ${seed}\n`)
let failed = false

if (first === 'bytes') {
  const { bytes, stalls, seconds } = await runBytes(Number(rest[0] ?? 10) * 1e9, SESSIONS, seed)
  process.stdout.write(`${bytes} bytes compared, ${stalls} stalls, ${seconds.toFixed(0)} s\n`)
} else {
  const count = Number(first)
  const door = await runDoor(Math.ceil(count / 10), seed)
  process.stdout.write(`${JSON.stringify({ ...door, slope: door.slope.told() }, undefined, 2)}\n`)
  const splices = await runSplices(count - door.connections, seed)
  process.stdout.write(`${JSON.stringify({ ...splices, slope: splices.slope.told() }, undefined, 2)}\n`)
  const clean = door.alive && door.answersPing && door.seatsTaken + door.unforeseen.length === 0
  failed = !clean || door.descriptorsLeft > 0 || splices.descriptorsLeft > 0
}
// Left to itself, Node would wait for ever for requests of connections that were torn down in the middle of a handshake.
process.exit(failed ? 1 : 0)
