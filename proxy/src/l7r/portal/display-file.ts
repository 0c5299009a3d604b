import type { HttpBindings } from '@hono/node-server'
import { Fault } from '@ostler/contract/fault.ts'
import type { Context, Hono } from 'hono'
import { requireAccess, type Visitor } from '../access.ts'
import { awaitPoolDesktop } from '../pool-desk.ts'
import { issueDisplayTicket } from '../viewer/display-tickets.ts'
import { awaitRunning } from '../start/await-running.ts'
import { type DoorParts, requireWay } from '../open-desktop.ts'

type PortalContext = Context<{ Bindings: HttpBindings }>

/** What `Host` may be: it becomes a line of the file. */
const HOST = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?$/

/**
 * A file that opens a desktop's screen in remote-viewer, once and soon. Its host is the ticket and its proxy is this
 * door: so every channel comes as a `CONNECT` to the ticket.
 */
export function displayFileRoutes(
  app: Hono<{ Bindings: HttpBindings }>,
  parts: DoorParts,
  visitorOf: (context: PortalContext) => Promise<Visitor>,
  stopping: AbortSignal,
): void {
  app.get('/portal/desktops/:id{\\d{1,9}}/display.vv', async (context) => {
    const visitor = await visitorOf(context)
    const host = context.req.header('host') ?? ''
    if (!HOST.test(host)) throw new Fault('request.invalid', { problem: 'this is no host' })
    const wish = { kind: 'open', display: 'spice' } as const
    const signal = AbortSignal.any([stopping, context.req.raw.signal])
    const { vm, grant } = await requireAccess(parts, visitor, Number(context.req.param('id')), wish, (pool) =>
      awaitPoolDesktop(parts, pool, visitor.guest, () => {}, signal),
    )
    requireWay(vm, 'spice', grant)
    const running = await awaitRunning(parts, vm, visitor.guest, () => {}, signal)
    const ticket = await issueDisplayTicket(parts.db, visitor.guest, running, 'spice')
    const lines = [
      '[virt-viewer]',
      'type=spice',
      `host=${ticket}`,
      // Nobody looks at it, and without one the file is none.
      'port=1',
      `proxy=https://${host.includes(':', host.lastIndexOf(']') + 1) ? host : `${host}:443`}`,
      `title=${vm.name}`,
      'delete-this-file=1',
      '',
    ]
    return context.body(lines.join('\n'), 200, {
      'Content-Type': 'application/x-virt-viewer',
      'Content-Disposition': `attachment; filename="${vm.name}.vv"`,
      'Cache-Control': 'no-store',
    })
  })
}
