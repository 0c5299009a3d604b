import type { AdminApi } from './api-types.ts'
import { phrases } from '../shared/language.ts'
import { pageKey } from './session.ts'

export type Operation = keyof AdminApi
export type AnswerOf<O extends Operation> = AdminApi[O]['answer']
/** What an operation has to be told: parts of its path, its query and its body, as far as it has them. */
export type Said<O extends Operation> = {
  readonly [K in 'parts' | 'body' as AdminApi[O][K] extends undefined ? never : K]: AdminApi[O][K]
} & { readonly query?: AdminApi[O]['query'] }
/** Operations that answer with a list. */
export type ListOperation = {
  [O in Operation]: AnswerOf<O> extends object[] ? O : never
}[Operation]
export type RowOf<O extends ListOperation> = AnswerOf<O>[number]

/** `PAGE_HEADER` of the contract, where schemas stand beside it that no page needs. */
const PAGE_HEADER = 'Ostler-Page'

const say = phrases({
  unreachable: ['The server cannot be reached.', 'No se puede conectar con el servidor.'],
  network: ['Check your network and try again.', 'Compruebe la red y vuelva a intentarlo.'],
  status: ['The server answered {status}.', 'El servidor respondió {status}.'],
})

/** A failure with its code, a sentence, and what may be tried. */
export class ApiError extends Error {
  readonly status: number
  readonly fault: string
  readonly advice: string

  constructor(status: number, fault: string, text: string, advice: string) {
    super(text)
    this.status = status
    this.fault = fault
    this.advice = advice
  }
}

/** Asks the api. @throws ApiError, also when it cannot be reached (status 0). */
export async function ask<O extends Operation>(operation: O, said: Said<O>): Promise<AnswerOf<O>> {
  const response = await send(operation, said, { accept: 'application/json' })
  return (await response.json()) as AnswerOf<O>
}

/** The same for an answer that is read as it comes. @throws ApiError. */
export async function send<O extends Operation>(
  operation: O,
  said: Said<O>,
  { accept, signal }: { readonly accept: string; readonly signal?: AbortSignal },
): Promise<Response> {
  const { body } = said as { readonly body?: unknown }
  let response: Response
  try {
    response = await fetch(addressOf(operation, said), {
      method: operation.slice(0, operation.indexOf(' ')),
      headers: {
        Accept: accept,
        [PAGE_HEADER]: pageKey(),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    })
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw unreachable()
  }
  if (response.ok) return response
  throw await refusalOf(response)
}

/** There is no line to the server, or no longer. */
export function unreachable(): ApiError {
  return new ApiError(0, '', say('unreachable'), say('network'))
}

async function refusalOf(response: Response): Promise<ApiError> {
  const said = (await response.json().catch(() => ({}))) as { fault?: string; text?: string; advice?: string }
  const text = said.text === undefined ? say('status', { status: response.status }) : sentence(said.text)
  return new ApiError(response.status, said.fault ?? '', text, said.advice ?? '')
}

type QueryValue = string | number | readonly string[] | undefined

/** Relative to the page, so that a path before ours changes nothing. */
function addressOf<O extends Operation>(operation: O, said: Said<O>): string {
  const { parts = {} } = said as { readonly parts?: Readonly<Record<string, string>> }
  const path = operation
    .slice(operation.indexOf(' ') + 1)
    .replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parts[name] ?? ''))
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries<QueryValue>(said.query ?? {}))
    if (value !== undefined && value !== '')
      for (const each of [value].flat()) query.append(key, String(each))
  return `..${path}${query.size === 0 ? '' : `?${query.toString()}`}`
}

/** First letter in upper case, a stop at the end. */
export function sentence(text: string): string {
  const trimmed = text.trim().replace(/\.$/, '')
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}.`
}

/** What went wrong, in words, with what may be tried. */
export function problemText(error: unknown): string {
  return error instanceof ApiError ? `${error.message} ${error.advice}`.trim() : String(error)
}
