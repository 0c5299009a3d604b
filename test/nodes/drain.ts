import { comesToHold } from '@ostler/kit/poll.ts'
import { isSealed, runSealed } from '../chaos/sealed.ts'
import { CLOCKS } from './clocks.ts'
import { Onlooker } from './onlooker.ts'
import { type DesktopRow, SeveralNodes } from './several-nodes.ts'

/**
 * Empties one of two nodes as an administrator does, and prints what was seen after each step, as JSON: which desktops run on which
 * node (`a`, `b`), and which boot of theirs it was. `drain.test.ts` says what must stand there.
 */
export interface Facts {
  readonly begun: Placed
  /** The first node is blocked, and two more desktops were started. */
  readonly blocked: Placed
  /** Its desktops were asked to end, with a sentence. */
  readonly emptied: Placed
  /** They were started again. */
  readonly again: Placed
  /** The node is open again, and one more desktop was started. */
  readonly open: Placed
  /** What the witnesses of homes have found wrong. */
  readonly wrong: readonly string[]
}
/** By name of the desktop: node and boot. */
export type Placed = Readonly<Record<string, { readonly on: string; readonly boot: string }>>

const PATIENCE_MS = 90_000

if (isSealed()) {
  console.log(`facts: ${JSON.stringify(await drain())}`)
  setTimeout(() => process.exit(), 2_000).unref()
} else process.exitCode = await runSealed([process.execPath, import.meta.filename])

async function drain(): Promise<Facts> {
  await using nodes = await SeveralNodes.open({ nodes: 2, desktops: 5, clocks: CLOCKS.quick })
  const names = new Map((await nodes.rows()).map(({ id, name }) => [id, name]))
  await using onlooker = new Onlooker(nodes, names)
  const { office } = nodes
  const [first] = nodes.members
  if (first === undefined) throw new Error('there is no node')

  const begun = await started(0, 1)
  await office.qa(`host block -f name=${first.name}`)
  const blocked = await started(2, 3)
  await office.qa(`host maintenance -f name=${first.name} said=repair stop=yes`)
  await until('the node to be empty', (rows) => rows.every(({ node }) => node !== first.name))
  const emptied = await placed()
  const ended = Object.keys(blocked).filter((name) => emptied[name] === undefined)
  const again = await started(...ended.map((name) => Number(name.replace('user', ''))))
  await office.qa(`host open -f name=${first.name}`)
  await office.qa(`host unblock -f name=${first.name}`)
  const open = await started(4)
  return { begun, blocked, emptied, again, open, wrong: onlooker.take() }

  async function started(...desktops: number[]): Promise<Placed> {
    for (const desktop of desktops) {
      await office.qa(`vm start -f name=${nodes.name(desktop)}`)
      await until(`${nodes.name(desktop)} to write`, (rows) => {
        const row = rows.find(({ name }) => name === nodes.name(desktop))
        onlooker.take().forEach((what) => console.log(`WRONG: ${what}`))
        return row?.state === 'running' && onlooker.home(row.id).last?.node === row.node
      })
    }
    return await placed()
  }

  async function placed(): Promise<Placed> {
    const rows = (await nodes.rows()).filter(({ state }) => state === 'running')
    return Object.fromEntries(
      rows.map(({ id, name, node }) => [
        name,
        { on: node === first?.name ? 'a' : 'b', boot: onlooker.home(id).last?.boot ?? '' },
      ]),
    )
  }

  async function until(what: string, holds: (rows: readonly DesktopRow[]) => boolean): Promise<void> {
    if (await comesToHold(async () => holds(await nodes.rows()), PATIENCE_MS, 100)) return
    throw new Error(`waited in vain for ${what}: ${JSON.stringify(await nodes.rows())}`)
  }
}
