import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { Secret } from '@ostler/kit/secret.ts'
import type { Log } from '@ostler/kit/log.ts'
import { type Context, Hono } from 'hono'
import * as z from 'zod'
import { hashPassword } from '../auth/password.ts'
import type { Subnet } from '../model/address.ts'
import {
  addDesktop,
  addFlavour,
  addImage,
  addUser,
  desktopByName,
  explainDesktop,
  listObjects,
} from '../store/admin.ts'
import type { Db } from '../store/open.ts'
import { disconnectSeat } from '../store/seats.ts'
import { addWish } from '../store/vms.ts'

const newWish = z.strictObject({ kind: z.enum(['run', 'stop']), reason: z.string().max(200).default('qa') })

/** The administrator's REST interface. Whoever can open its unix socket is the administrator. */
export function adminRoutes(db: Db, network: { start: string; subnet: Subnet }, log: Log): Hono {
  const app = new Hono()
  app.onError((error, context) => {
    if (!(error instanceof Fault)) log.error('request failed', { path: context.req.path, error })
    const fault =
      error instanceof Fault ? error : new Fault('server.internal', { reference: 'see the log of the api' })
    return context.json(fault.toJSON(), fault.status as 400)
  })
  app.notFound((context) =>
    context.json(new Fault('request.notFound', { path: context.req.path }).toJSON(), 404),
  )
  for (const kind of Object.keys(ADMIN_OBJECTS) as (keyof typeof ADMIN_OBJECTS)[])
    app.get(ADMIN_OBJECTS[kind].path, async (context) => context.json(await listObjects(db, kind)))

  app.post(ADMIN_OBJECTS.user.path, async (context) => {
    const { login, password } = await body(context, ADMIN_OBJECTS.user.schema)
    const hash = await hashPassword(new Secret(password))
    return context.json({ id: await addUser(db, { login, password: hash }) }, 201)
  })
  app.post(ADMIN_OBJECTS.osf.path, async (context) => {
    const { name, memory, cpus } = await body(context, ADMIN_OBJECTS.osf.schema)
    const flavour = { name, memoryMb: memory, cpuPercent: Math.round(cpus * 100) }
    return context.json({ id: await addFlavour(db, flavour) }, 201)
  })
  app.post(ADMIN_OBJECTS.di.path, async (context) =>
    context.json({ id: await addImage(db, await body(context, ADMIN_OBJECTS.di.schema)) }, 201),
  )
  app.post(ADMIN_OBJECTS.vm.path, async (context) =>
    context.json({ id: await addDesktop(db, await body(context, ADMIN_OBJECTS.vm.schema), network) }, 201),
  )
  app.get('/v1/desktops/:name/explain', async (context) =>
    context.json(await explainDesktop(db, await desktopByName(db, context.req.param('name')))),
  )
  app.post('/v1/desktops/:name/wishes', async (context) => {
    const wish = await body(context, newWish)
    const vmId = await desktopByName(db, context.req.param('name'))
    return context.json({ number: await addWish(db, { vmId, by: 'administrator', ...wish }) }, 201)
  })
  app.post('/v1/desktops/:name/disconnect', async (context) => {
    const name = context.req.param('name')
    const was = await disconnectSeat(db, await desktopByName(db, name), 'an administrator')
    if (was === undefined) throw new Fault('desktop.nobodyThere', { name })
    return context.json({ was })
  })
  return app
}

async function body<S extends z.ZodType>(context: Context, schema: S): Promise<z.output<S>> {
  const parsed = schema.safeParse(await context.req.json().catch(() => undefined))
  if (!parsed.success) throw new Fault('request.invalid', { problem: z.prettifyError(parsed.error) })
  return parsed.data
}
