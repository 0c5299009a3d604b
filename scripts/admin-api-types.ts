import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { openApi } from '../proxy/src/api/openapi.ts'
import { adminRouteTable } from '../proxy/src/api/routes.ts'
import { adminParts } from '../test/fixtures/admin-api.ts'

/** The part of JSON Schema that our table becomes. */
interface Schema {
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | boolean
}
interface Media {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>
}
interface Operation {
  readonly summary: string
  readonly parameters: readonly { name: string; in: string; required: boolean; schema: Schema }[]
  readonly requestBody?: Media
  readonly responses: Readonly<Record<string, Media>>
}

const TARGET = join(import.meta.dirname, '../web/src/admin/api-types.ts')

/** `web/src/admin/api-types.ts`: what each request of the api takes and answers, from its OpenAPI document. */
export async function adminApiTypes(): Promise<string> {
  const { paths } = openApi(adminRouteTable(adminParts({ as: () => undefined } as never))) as {
    paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  }
  const lines = Object.entries(paths)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([path, operations]) =>
      Object.entries(operations).map(
        ([method, operation]) =>
          `/** ${operation.summary} */\n'${method.toUpperCase()} ${path}': ${typeOfOperation(operation)}`,
      ),
    )
  const text = `/** Printed by \`npm run docs\` from the OpenAPI document of the api. */\nexport interface AdminApi {\n${lines.join('\n')}\n}\n`
  return await format(text, { ...(await resolveConfig(TARGET)), parser: 'typescript' })
}

function typeOfOperation({ parameters, requestBody, responses }: Operation): string {
  const parts = parameters.filter((each) => each.in === 'path').map(({ name }) => `${name}: string`)
  const query = parameters
    .filter((each) => each.in === 'query')
    .map(({ name, required, schema }) => `'${name}'${required ? '' : '?'}: ${typeOf(schema)} | undefined`)
  const body = requestBody?.content?.['application/json']?.schema
  const good = Object.entries(responses).find(([status]) => status.startsWith('2'))?.[1]
  const answer = good?.content?.['application/json']?.schema
  return `{
    parts: ${parts.length === 0 ? 'undefined' : `{ ${parts.join('; ')} }`}
    query: ${query.length === 0 ? 'undefined' : `{ ${query.join('; ')} }`}
    body: ${body === undefined ? 'undefined' : typeOf(body)}
    answer: ${answer === undefined ? 'undefined' : typeOf(answer)}
  }`
}

function typeOf(schema: Schema): string {
  if ('const' in schema) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  const any = schema.anyOf ?? schema.oneOf
  if (any !== undefined) return unionOf(any.map(typeOf))
  if (schema.allOf !== undefined) return schema.allOf.map((each) => `(${typeOf(each)})`).join(' & ')
  const types = schema.type === undefined ? [] : [schema.type].flat()
  if (types.length === 0) return 'unknown'
  return types.map((type) => typeOfWord(type, schema)).join(' | ')
}

/** A text that is one of all texts is said by those. */
function unionOf(types: readonly string[]): string {
  const hasText = types.includes('string')
  const wide = types.filter((type) => !(hasText && type.startsWith('"')))
  return [...new Set(wide)].map((type) => `(${type})`).join(' | ')
}

function typeOfWord(type: string, schema: Schema): string {
  switch (type) {
    case 'integer':
    case 'number':
      return 'number'
    case 'array':
      return `(${typeOf(schema.items ?? {})})[]`
    case 'object':
      return typeOfObject(schema)
    default:
      return type
  }
}

function typeOfObject({ properties = {}, required = [], additionalProperties }: Schema): string {
  const known = Object.entries(properties).map(
    ([key, each]) => `'${key}'${required.includes(key) ? '' : '?'}: ${typeOf(each)}`,
  )
  if (known.length > 0) return `{ ${known.join('; ')} }`
  return typeof additionalProperties === 'object'
    ? `Record<string, ${typeOf(additionalProperties)}>`
    : 'Record<string, unknown>'
}

if (import.meta.main) writeFileSync(TARGET, await adminApiTypes())
