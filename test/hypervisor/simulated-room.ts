import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DesktopSpec } from '../../proxy/src/hypervisor/hypervisor.ts'
import {
  type SimulatedHypervisor,
  simulatedHypervisor,
} from '../../proxy/src/hypervisor/simulated/simulated.ts'
import type { YardRulesInput } from '../../proxy/src/hypervisor/simulated/script.ts'
import { Yard } from '../../proxy/src/hypervisor/simulated/yard.ts'
import { serveYard } from '../../proxy/src/hypervisor/simulated/yard-server.ts'
import { testHome } from '../fixtures/home.ts'
import { namesIn } from './quiet-guest.ts'
import type { DriverRoom } from './suite.ts'

/** A yard behind its socket, with drivers of it. */
export interface SimulatedRoom extends DriverRoom {
  readonly yard: Yard
  /** `path.run` */
  readonly run: string
  open(): SimulatedHypervisor
  /** Ends the yard with its machines; drivers stay. */
  closeYard(): Promise<void>
}

/** @param rules how machines behave; those of an image named `broken` do not boot. */
export async function simulatedRoom(rules: YardRulesInput = {}): Promise<SimulatedRoom> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-yard-'))
  const run = join(folder, 'run')
  const broken = { image: 'broken', script: { bootMs: 20, bootFails: 'no init' } }
  const yard = new Yard(run, 0, { ...rules, scripts: [...(rules.scripts ?? []), broken] })
  const path = join(folder, 'yard.sock')
  const server = await serveYard(yard, path)
  const drivers: SimulatedHypervisor[] = []
  const closeYard = async (): Promise<void> => {
    yard[Symbol.dispose]()
    await server[Symbol.asyncDispose]()
  }
  const spec = (id: number, image = 'simulated'): DesktopSpec => ({
    id,
    epoch: 1,
    name: `desk-${id}`,
    tenantId: 1,
    ownerId: id,
    login: `user${id}`,
    address: '127.0.0.1',
    flavour: { id: 1, memoryMb: 64, cpuPercent: 5 },
    home: testHome(id),
    image: { id: 1, name: image, kind: 'instant', path: '/' },
  })
  return {
    yard,
    run,
    open: () => {
      const driver = simulatedHypervisor(path)
      drivers.push(driver)
      return driver
    },
    spec,
    broken: (id) => spec(id, 'broken'),
    remains: () => [
      ...[...yard.sightings().keys()].map((id) => `machine ${id}`),
      ...namesIn('files', join(run, 'desktops')),
    ],
    closeYard,
    [Symbol.asyncDispose]: async () => {
      for (const driver of drivers) driver[Symbol.dispose]()
      await closeYard()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
