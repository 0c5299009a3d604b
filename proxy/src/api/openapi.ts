import { OPENAPI_PATH, REQUEST_HEADER } from '@ostler/contract/administrators.ts'
import { FAULT_CODES } from '@ostler/contract/fault.ts'
import * as z from 'zod'
import { type Route, route } from './route.ts'

type Json = Readonly<Record<string, unknown>>

/** The document of the table, and of itself. */
export function openApiRoute(routes: readonly Route[]): Route {
  const self: Route = route({
    method: 'get',
    path: OPENAPI_PATH,
    summary: 'This document.',
    needs: 'self.see',
    reach: 'tenant',
    answer: z.looseObject({ openapi: z.literal('3.1.0') }),
    run: () => (document ??= openApi([...routes, self])),
  })
  let document: Json | undefined
  return self
}

/** An OpenAPI 3.1 document: every route of the table, what it takes, answers and needs. */
export function openApi(routes: readonly Route[]): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const each of routes) {
    const path = each.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [each.method]: operation(each) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Ostler administration',
      version: '1',
      description:
        'Everything that qa does. Every failure is a Fault. Each answer has the header ' +
        `${REQUEST_HEADER}, by which logs and the audit log know the request.`,
    },
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: {
        Fault: {
          type: 'object',
          required: ['fault', 'detail', 'text', 'advice'],
          properties: {
            fault: { type: 'string', enum: FAULT_CODES },
            detail: { type: 'object', additionalProperties: { type: ['string', 'number'] } },
            text: { type: 'string' },
            advice: { type: 'string' },
          },
        },
      },
    },
  }
}

function operation(each: Route): Json {
  const { method, path, summary, needs, reach, query, repeated, answer, status, hints } = each
  const parts = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    ...{ name, in: 'path', required: true, schema: { type: 'string' } },
  }))
  const asked = schemaOf(query, 'input') as { properties?: Record<string, Json>; required?: string[] }
  const queries = Object.entries(asked.properties ?? {}).map(([name, schema]) => ({
    ...{ name, in: 'query', required: asked.required?.includes(name) ?? false, schema },
    ...(repeated.includes(name) ? { style: 'form', explode: true } : {}),
  }))
  const streamed = hints.length === 0 ? {} : { 'text/event-stream': { schema: { type: 'string' } } }
  return {
    operationId: `${method}${path.replaceAll(/[^A-Za-z0-9]+(\w?)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary,
    description: `Permission: ${needs}. Administrators of one tenant: ${reach === 'tenant' ? 'yes' : 'no'}.`,
    'x-permission': needs,
    'x-reach': reach,
    ...(needs === 'nobody' ? { security: [] } : {}),
    parameters: [...parts, ...queries],
    ...bodyOf(each),
    responses: {
      [status]: {
        description: 'Done.',
        content: { 'application/json': { schema: schemaOf(answer, 'output') }, ...streamed },
      },
      default: {
        description: 'A failure, with what to do.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Fault' } } },
      },
    },
  }
}

function bodyOf({ body, octets }: Route): Json {
  if (octets !== undefined) {
    const schema = { type: 'string', format: 'binary', maxLength: octets }
    return { requestBody: { required: true, content: { 'application/octet-stream': { schema } } } }
  }
  if (body === undefined) return {}
  const content = { 'application/json': { schema: schemaOf(body, 'input') } }
  return { requestBody: { required: true, content } }
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    target: 'draft-2020-12',
  })
  return json
}
