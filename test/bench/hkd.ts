import { load, print } from './figures.ts'
import { benchPlacing } from './hkd/placing.ts'
import { benchStarts } from './hkd/starts.ts'
import { benchWatches } from './hkd/watches.ts'
import { benchWishes } from './hkd/wishes.ts'

/**
 * What housekeeping costs. `bench:hkd`: all of it, small; `bench:hkd -- wishes 10000`: from a wish to the start's first step with
 * so many desktops; `watches 1000`: so many agents watched over mutual TLS; `starts 20`: so many pairs of starts, by hkd and by
 * a bare lxc-start; `placing 5000`: placing on so many nodes. Prints; never judges.
 */
const BENCHES = {
  wishes: benchWishes,
  watches: benchWatches,
  starts: benchStarts,
  placing: benchPlacing,
} as const
const SMALL = { wishes: 1_000, watches: 50, starts: 3, placing: 500 } as const

const [asked, count] = process.argv.slice(2)
const names = (Object.keys(BENCHES) as (keyof typeof BENCHES)[]).filter(
  (name) => asked === undefined || name === asked,
)
if (names.length === 0)
  throw new TypeError(`there is no bench ${asked ?? ''}: ${Object.keys(BENCHES).join(', ')}`)
for (const name of names) {
  print(`${name}; load average before: ${load()}`)
  await BENCHES[name](Number(count ?? SMALL[name]))
  print(`load average after: ${load()}`)
}
process.exit()
