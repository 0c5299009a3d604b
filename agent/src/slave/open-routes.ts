import { Fault } from '@ostler/contract/fault.ts'
import type { SlaveCall, SlaveReply } from '@ostler/contract/slave-call.ts'
import type { SlaveAnswer, SlaveRoute } from '@ostler/contract/slave-server.ts'
import { isOpenableLink, MAX_DOCUMENT, MAX_LINK, SLAVE_ROUTES } from '@ostler/contract/slave.ts'
import { readSessionPolicy } from '../desktop/session-policy.ts'

/** What opening at the client needs. */
export interface OpenParts {
  readonly parameters: () => ReadonlyMap<string, string>
  /** @throws Fault `slave.silent`. */
  readonly callClient: (call: SlaveCall) => Promise<SlaveReply>
}

/**
 * Has the client open a link or a document, for `ostler-open`. Both carry data out of the desktop: a link as much as a clipboard
 * does, and a document as much as a folder that can be written to, so the same rules of policy hold. Whether they are opened at all
 * the client decides.
 */
export function openRoutes({ parameters, callClient }: OpenParts): SlaveRoute[] {
  const pass = async (call: SlaveCall): Promise<SlaveAnswer> => {
    const { status, text } = await callClient(call)
    // Anything else than an answer of ours is no answer.
    if (status < 200) throw new Fault('slave.silent', { reason: `it says ${status}` })
    return { status, text }
  }
  return [
    {
      route: SLAVE_ROUTES.openLink,
      maxBody: MAX_LINK,
      answer: async ({ body }) => {
        const link = body.toString('utf8').trim()
        if (!isOpenableLink(link))
          throw new Fault('request.invalid', { problem: 'only web pages and mails are links' })
        const { clipboard } = readSessionPolicy(parameters())
        if (clipboard !== 'out' && clipboard !== 'both')
          throw new Fault('slave.forbidden', { what: 'opening links at the client', reason: 'policy' })
        return await pass({ method: 'POST', path: '/ostler/open/link', body: Buffer.from(link) })
      },
    },
    {
      route: SLAVE_ROUTES.openDocument,
      maxBody: MAX_DOCUMENT,
      answer: async ({ rest, body }) => {
        if (readSessionPolicy(parameters()).folders !== 'rw')
          throw new Fault('slave.forbidden', { what: 'opening documents at the client', reason: 'policy' })
        return await pass({ method: 'POST', path: `/ostler/open/document/${rest}`, body })
      },
    },
  ]
}
