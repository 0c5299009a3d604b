import { Fault } from '@ostler/contract/fault.ts'
import type { Context } from 'hono'
import * as z from 'zod'

/** The checked body of a request. @throws Fault `request.invalid` with every problem. */
export async function body<S extends z.ZodType>(context: Context, schema: S): Promise<z.output<S>> {
  const parsed = schema.safeParse(await context.req.json().catch(() => undefined))
  if (!parsed.success) throw new Fault('request.invalid', { problem: z.prettifyError(parsed.error) })
  return parsed.data
}
