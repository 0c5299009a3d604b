import { KINDS, SeatRoom } from '../fixtures/seat-room.ts'
import type { RoomDoor } from '../fixtures/door-room.ts'
import type { LogLine } from '../fixtures/door.ts'
import { until } from '../fixtures/world.ts'
import { load } from './figures.ts'

/**
 * Take-overs at one door and across two, all pairs of clients, with scripted desktops that are ready at once: when the
 * loser is cut and when the winner sees something, from the claim in the doors' logs and from the request at the
 * clients. Prints; never judges.
 */
const ROUNDS = Number(process.argv[2] ?? 100)

const seats = await SeatRoom.open()
try {
  console.log(`take-overs of each pair: ${ROUNDS}; load average before: ${load()}`)
  for (const second of [0, 1] as const)
    for (const first of KINDS) for (const next of KINDS) await measure(first, next, seats.doors[second])
  using _ = await seats.room.swallowHints()
  console.log('hints swallowed:')
  await measure('nx', 'browser', seats.doors[1], Math.ceil(ROUNDS / 5))
  console.log(`load average after: ${load()}`)
} finally {
  await seats[Symbol.asyncDispose]()
}

/** The first client is always at the first door. */
async function measure(
  first: (typeof KINDS)[number],
  next: (typeof KINDS)[number],
  door: RoomDoor,
  rounds = ROUNDS,
): Promise<void> {
  const desktop = await seats.newDesktop()
  const [told, shown]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    const loser = seats.view(first, seats.doors[0], desktop)
    await loser.shown
    const began = performance.now()
    const winner = seats.view(next, door, desktop)
    shown.push(((await winner.shown) ?? NaN) - began)
    told.push((await loser.ended).at - began)
    await winner.leave()
    await until('the seat to be free', async () => (await seats.rowOf(desktop))?.door === null)
  }
  const lines = [seats.doors[0], seats.doors[1]]
    .flatMap((each) => each.log())
    .filter(({ vm }) => vm === desktop.id)
  const claims = new Map(
    lines.filter(named('seat claimed')).map((line) => [Number(line['epoch']), time(line)] as const),
  )
  const cuts = lines
    .filter(named('stream ended'))
    .filter((line) => line['by'] === 'cut')
    .map((line) => time(line) - (claims.get(Number(line['seat']) + 1) ?? NaN))
  const bytes = lines
    .filter(named('stream shows'))
    .filter((line) => Number(line['seat']) % 2 === 0)
    .map((line) => Number(line['sinceClaimMs']))
  const where = door === seats.doors[0] ? 'at the same door' : 'at the other door'
  console.log(`${first}, then ${next} ${where}`)
  console.log(`  from the claim:   loser cut ${quantiles(cuts)}, winner's first bytes ${quantiles(bytes)}`)
  console.log(`  from the request: loser out ${quantiles(told)}, winner's first bytes ${quantiles(shown)}`)
}

function named(message: string): (line: LogLine) => boolean {
  return (line) => line.message === message
}

function time(line: LogLine): number {
  return Date.parse(line.timestamp)
}

function quantiles(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (quantile: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? NaN).toFixed(0)
  return `p50 ${at(0.5)} p99 ${at(0.99)} ms (${values.length})`
}
