import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandLine, startWorld, type World } from '../../fixtures/world.ts'
import { median, print } from '../figures.ts'

const START_MS = 60_000

/**
 * Pairs of starts of one container: by hkd, from the wish, and by a bare lxc-start with the same configuration and mounts; until the agent's
 * process is there.
 */
export async function benchStarts(pairs: number): Promise<void> {
  await using world = await startWorld()
  // The bare one needs what the desktop has written.
  await world.qa('osf add name=kept memory=1024 cpus=2 overlay=persistent')
  await world.qa('di add name=kept osf=kept kind=instant')
  const id = await world.addUser('ann', 'kept')
  const { folder, prefix } = world.node.settings
  const container = `${prefix}${id}`
  const lxcPath = join(folder, 'run/lxc')
  const kept = join(folder, 'kept')
  const ours: number[] = []
  const bare: number[] = []
  for (let pair = 0; pair <= pairs; pair++) {
    const began = performance.now()
    await world.api.post('/v1/desktops/ann/wishes', { kind: 'run' })
    await untilAgent(world, id)
    const byHkd = performance.now() - began
    await world.untilVm('ann', 'running')
    cpSync(join(lxcPath, container), kept, { recursive: true })
    const places = join(folder, 'run/desktops', String(id))
    await world.qa('vm stop -f name=ann')
    await world.untilVm('ann', 'stopped')
    // What hkd has cleared away is put back; it looks at no desktop that is at rest and not wished for.
    cpSync(kept, join(lxcPath, container), { recursive: true })
    for (const place of ['boot', 'display']) mkdirSync(join(places, place), { recursive: true, mode: 0o755 })
    const started = performance.now()
    const [stage = '', ...start] = JSON.parse(
      readFileSync(join(lxcPath, container, 'start.json'), 'utf8'),
    ) as string[]
    await run(stage, [...start, '-P', lxcPath, '-n', container, '--daemon'], { timeoutMs: START_MS })
    await untilAgent(world, id)
    const byLxc = performance.now() - started
    await run('lxc-stop', ['-P', lxcPath, '-n', container, '--kill'])
    // The first pair reads everything from the disk.
    if (pair === 0) continue
    ours.push(byHkd)
    bare.push(byLxc)
  }
  const ratios = ours.map((each, index) => each / (bare[index] ?? NaN))
  const more = ours.map((each, index) => each - (bare[index] ?? NaN))
  print(
    `  hkd ${median(ours).toFixed(0)} ms, bare lxc-start ${median(bare).toFixed(0)} ms (medians of ${pairs})`,
  )
  print(
    `  hkd takes ${median(ratios).toFixed(2)} times as long, ${median(more).toFixed(0)} ms more (medians of pairs)`,
  )
}

async function untilAgent(world: World, id: number): Promise<void> {
  const isThere = (): boolean => world.processes(id).some((pid) => commandLine(pid).includes('vma.cjs'))
  if (!(await comesToHold(isThere, START_MS, 2))) throw new Error('the agent never came')
}
