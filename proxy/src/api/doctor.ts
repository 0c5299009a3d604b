import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import { DOCTOR_PATH, type Finding, HOPS } from '@ostler/contract/doctor.ts'
import * as z from 'zod'
import {
  type DoorFacts,
  judgeDatabase,
  judgeDesktop,
  judgeDoor,
  judgeNoDatabase,
  judgeNode,
  type NodeFacts,
} from '../model/doctor.ts'
import { desktopByName } from '../store/admin.ts'
import { examineDatabase, examineDesktop, examineNodes } from '../store/examination.ts'
import { probeDoor } from './door-probe.ts'
import { type Route, route } from './route.ts'
import type { DoorPlace } from './tunnel-offer.ts'

/** So many doors are asked at once. */
const AT_ONCE = 16

const finding = z.strictObject({
  hop: z.enum(HOPS),
  state: z.enum(['ok', 'failed', 'unknown']),
  said: z.string(),
  advice: z.string().nullable(),
})

/**
 * Looks at everything between a client and what a user sees, hop by hop (docs/doctor.md).
 * @param door the one of this node, as it is now.
 */
export function doctorRoutes(door: () => DoorPlace): Route[] {
  return [
    route({
      method: 'get',
      path: DOCTOR_PATH,
      summary: 'Looks at the database, and at every node and its door: what failed, and what to do.',
      needs: 'host.see',
      answer: z.array(finding),
      run: async ({ db }) => {
        const database = await examineDatabase(db).then(judgeDatabase, judgeNoDatabase)
        const found = [API, database]
        if (database.state === 'failed') return found
        const nodes = await examineNodes(db)
        const doors = await probeAll(nodes, door())
        for (const [index, node] of nodes.entries())
          found.push(judgeDoor(node, doors[index], new Date()), judgeNode(node))
        return found
      },
    }),
    route({
      method: 'get',
      path: `${ADMIN_OBJECTS.vm.path}/:name/doctor`,
      summary: 'Looks at every hop from a client to the display of a desktop: what failed, and what to do.',
      needs: 'desktop.see',
      reach: 'tenant',
      about: [{ kind: 'vm', in: 'path', key: 'name' }],
      answer: z.array(finding),
      run: async ({ db, part }) => {
        const desktop = await examineDesktop(db, await desktopByName(db, part('name')))
        const nodes = await examineNodes(db)
        // Without a node of its own any door leads there; the nearest is ours.
        const its = nodes.filter(({ name, door: place }) =>
          desktop.host === null ? place?.port === door().port : name === desktop.host,
        )
        const doors = await probeAll(its, door())
        return [
          API,
          judgeDatabase(await examineDatabase(db)),
          ...its.map((node, index) => judgeDoor(node, doors[index], new Date())),
          ...judgeDesktop(desktop, nodes),
        ]
      },
    }),
  ]
}

/** Whoever reads it has come as far. */
const API: Finding = { hop: 'api', state: 'ok', said: 'it answers', advice: null }

/** Doors of one installation speak alike, with TLS or without. */
async function probeAll(
  nodes: readonly NodeFacts[],
  { certificate }: DoorPlace,
): Promise<readonly (DoorFacts | undefined)[]> {
  const results: (DoorFacts | undefined)[] = nodes.map(() => undefined)
  const waiting = [...nodes.entries()]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, { door }] = next
      if (door !== null)
        results[index] = await probeDoor({ host: door.address, port: door.port, tls: certificate !== null })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return results
}
