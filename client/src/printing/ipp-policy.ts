import {
  IPP_GROUP,
  IPP_TAG,
  type IppAttribute,
  type IppGroup,
  type IppMessage,
  ippNumberOf,
  ippText,
  ippTextOf,
} from '@ostler/kit/ipp.ts'
import { ippOpening } from '@ostler/kit/ipp-call.ts'

/** What a desktop may ask a print server: RFC 8011, and CUPS's own two ways to look at it. */
const OPERATION = {
  printJob: 0x0002,
  validateJob: 0x0004,
  createJob: 0x0005,
  sendDocument: 0x0006,
  cancelJob: 0x0008,
  getJobAttributes: 0x0009,
  getPrinterAttributes: 0x000b,
  closeJob: 0x003b,
  cupsGetDefault: 0x4001,
  cupsGetPrinters: 0x4002,
} as const

const ABOUT_PRINTERS: ReadonlySet<number> = new Set([
  OPERATION.printJob,
  OPERATION.validateJob,
  OPERATION.createJob,
  OPERATION.getPrinterAttributes,
])
const ABOUT_JOBS: ReadonlySet<number> = new Set([
  OPERATION.sendDocument,
  OPERATION.cancelJob,
  OPERATION.getJobAttributes,
  OPERATION.closeJob,
])
const ABOUT_ALL: ReadonlySet<number> = new Set([OPERATION.cupsGetDefault, OPERATION.cupsGetPrinters])
/** After which a job is the desktop's. */
const MAKES_JOB: ReadonlySet<number> = new Set([OPERATION.printJob, OPERATION.createJob])

/** Attributes of an operation that go on as they are. What is not here could name other files, users or servers. */
const HARMLESS: ReadonlySet<string> = new Set([
  'job-name',
  'document-name',
  'document-format',
  'document-natural-language',
  'compression',
  'last-document',
  'requested-attributes',
  'ipp-attribute-fidelity',
])

/** Statuses that we answer ourselves (RFC 8011, B.1.4 and B.1.5). */
export const IPP_REFUSAL = {
  badRequest: 0x0400,
  forbidden: 0x0401,
  notFound: 0x0406,
  unsupported: 0x0501,
} as const
export type IppRefusal = (typeof IPP_REFUSAL)[keyof typeof IPP_REFUSAL]

/** What a desktop may see and do of the user's print server. */
export interface PrintGrant {
  /** Names of the printers. */
  readonly printers: ReadonlySet<string>
  /** Jobs that came from this desktop. */
  readonly jobs: ReadonlySet<number>
  /** Whose jobs they are on the print server. */
  readonly user: string
}

/** A request as it may go on. */
export interface GrantedRequest {
  readonly message: IppMessage
  /** Whether only its owner may ask for it. */
  readonly needsOwner: boolean
}

/**
 * Makes a new request of what a desktop asks for, out of what it may ask for and nothing else; or says why it is refused.
 * Printers are looked at and printed to, jobs only when they came from the desktop itself.
 */
export function grantRequest(asked: IppMessage, grant: PrintGrant): GrantedRequest | IppRefusal {
  const operation = asked.groups.find(({ tag }) => tag === IPP_GROUP.operation)
  const target = ABOUT_PRINTERS.has(asked.code)
    ? printerTarget(operation, grant)
    : ABOUT_JOBS.has(asked.code)
      ? jobTarget(operation, grant)
      : ABOUT_ALL.has(asked.code)
        ? []
        : IPP_REFUSAL.unsupported
  if (typeof target === 'number') return target
  const kept = operation?.attributes.filter(({ name }) => HARMLESS.has(name)) ?? []
  const attributes: IppAttribute[] = [
    ...ippOpening(),
    ...target,
    ippText(IPP_TAG.name, 'requesting-user-name', grant.user),
    ...(asked.code === OPERATION.cupsGetPrinters ? [withName(kept)] : kept),
  ]
  const jobOptions = asked.groups.filter(({ tag }) => tag === IPP_GROUP.job)
  return {
    message: { ...asked, groups: [{ tag: IPP_GROUP.operation, attributes }, ...jobOptions] },
    needsOwner: asked.code === OPERATION.cancelJob,
  }
}

/** Takes out of a print server's answer what the desktop may not see: other printers, also as the default. */
export function grantAnswer(asked: IppMessage, answer: IppMessage, grant: PrintGrant): IppMessage {
  if (!ABOUT_ALL.has(asked.code)) return answer
  const isHidden = (group: IppGroup): boolean =>
    group.tag === IPP_GROUP.printer && !grant.printers.has(ippTextOf(group, 'printer-name') ?? '')
  return { ...answer, groups: answer.groups.filter((group) => !isHidden(group)) }
}

/** The number of the job that an answer tells of; `undefined` when none was made. */
export function madeJob(asked: IppMessage, answer: IppMessage): number | undefined {
  if (!MAKES_JOB.has(asked.code)) return undefined
  return ippNumberOf(
    answer.groups.find(({ tag }) => tag === IPP_GROUP.job),
    'job-id',
  )
}

function printerTarget(operation: IppGroup | undefined, grant: PrintGrant): IppAttribute[] | IppRefusal {
  const name = printerOf(ippTextOf(operation, 'printer-uri') ?? '')
  if (name === undefined) return IPP_REFUSAL.badRequest
  return grant.printers.has(name)
    ? [ippText(IPP_TAG.uri, 'printer-uri', `ipp://localhost/printers/${encodeURIComponent(name)}`)]
    : IPP_REFUSAL.notFound
}

function jobTarget(operation: IppGroup | undefined, grant: PrintGrant): IppAttribute[] | IppRefusal {
  const inUri = /^ipps?:\/\/[^/]*\/jobs\/(\d{1,10})$/.exec(ippTextOf(operation, 'job-uri') ?? '')?.[1]
  const job = inUri === undefined ? ippNumberOf(operation, 'job-id') : Number(inUri)
  if (job === undefined) return IPP_REFUSAL.badRequest
  return grant.jobs.has(job)
    ? [ippText(IPP_TAG.uri, 'job-uri', `ipp://localhost/jobs/${job}`)]
    : IPP_REFUSAL.forbidden
}

function printerOf(uri: string): string | undefined {
  const name = /^ipps?:\/\/[^/]*\/(?:printers|classes)\/([^/?#]+)$/.exec(uri)?.[1]
  try {
    return name === undefined ? undefined : decodeURIComponent(name)
  } catch {
    return undefined
  }
}

/** What is to be filtered by its name must have one. */
function withName(kept: readonly IppAttribute[]): IppAttribute {
  const wanted = kept.find(({ name }) => name === 'requested-attributes')
  const name = ippText(IPP_TAG.keyword, 'requested-attributes', 'printer-name')
  return wanted === undefined
    ? ippText(IPP_TAG.keyword, 'requested-attributes', 'all')
    : { ...name, values: [...wanted.values, ...name.values] }
}
