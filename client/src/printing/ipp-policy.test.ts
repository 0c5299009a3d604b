import {
  IPP_GROUP,
  IPP_TAG,
  type IppAttribute,
  type IppMessage,
  ippText,
  ippTextOf,
} from '@ostler/kit/ipp.ts'
import { ippOpening } from '@ostler/kit/ipp-call.ts'
import { describe, expect, test } from 'vitest'
import { grantAnswer, grantRequest, IPP_REFUSAL, madeJob } from './ipp-policy.ts'

const GRANT = { printers: new Set(['laser']), jobs: new Set([5]), user: 'bob' }
const LASER = ippText(IPP_TAG.uri, 'printer-uri', 'ipp://127.0.0.1:2100/printers/laser')
const number = (name: string, value: number): IppAttribute => ({
  name,
  values: [{ tag: IPP_TAG.integer, bytes: Buffer.of(0, 0, 0, value) }],
})

function asked(
  code: number,
  attributes: readonly IppAttribute[],
  more: IppMessage['groups'] = [],
): IppMessage {
  const operation = { tag: IPP_GROUP.operation, attributes: [...ippOpening(), ...attributes] }
  return { version: 0x0200, code, id: 3, groups: [operation, ...more] }
}

function granted(message: IppMessage): IppMessage {
  const verdict = grantRequest(message, GRANT)
  return typeof verdict === 'number' ? expect.fail(`refused with ${verdict}`) : verdict.message
}

describe('a desktop may', () => {
  test('print to a printer of the list, as the user of this machine, with options', () => {
    const options = {
      tag: IPP_GROUP.job,
      attributes: [ippText(IPP_TAG.keyword, 'sides', 'two-sided-long-edge')],
    }
    const pretending = ippText(IPP_TAG.name, 'requesting-user-name', 'root')
    const message = granted(
      asked(0x0002, [LASER, pretending, ippText(IPP_TAG.name, 'job-name', 'page')], [options]),
    )
    const [operation, job] = message.groups
    expect(ippTextOf(operation, 'printer-uri')).toBe('ipp://localhost/printers/laser')
    expect(ippTextOf(operation, 'requesting-user-name')).toBe('bob')
    expect(ippTextOf(operation, 'job-name')).toBe('page')
    expect(job).toEqual(options)
  })

  test.each([0x0006, 0x0008, 0x0009, 0x003b])('ask 0x%s about a job of its own', (code) => {
    const byNumber = granted(asked(code, [LASER, number('job-id', 5)]))
    const byName = granted(asked(code, [ippText(IPP_TAG.uri, 'job-uri', 'ipp://x/jobs/5')]))
    for (const { groups } of [byNumber, byName])
      expect(ippTextOf(groups[0], 'job-uri')).toBe('ipp://localhost/jobs/5')
  })
})

describe('a desktop may not', () => {
  const OTHER = ippText(IPP_TAG.uri, 'printer-uri', 'ipp://localhost/printers/secret')
  test.each([
    ['print to another printer', 0x0002, [OTHER], IPP_REFUSAL.notFound],
    ['look at another printer', 0x000b, [OTHER], IPP_REFUSAL.notFound],
    ['print to no printer', 0x0002, [], IPP_REFUSAL.badRequest],
    ['cancel a job of the user', 0x0008, [number('job-id', 6)], IPP_REFUSAL.forbidden],
    ['read a job of the user', 0x0009, [number('job-id', 6)], IPP_REFUSAL.forbidden],
    ['list the jobs of the user', 0x000a, [LASER], IPP_REFUSAL.unsupported],
    ['print what lies at an address', 0x0003, [LASER], IPP_REFUSAL.unsupported],
    ['pause a printer', 0x0010, [LASER], IPP_REFUSAL.unsupported],
    ['purge its jobs', 0x0012, [LASER], IPP_REFUSAL.unsupported],
    ['subscribe to what happens', 0x0016, [LASER], IPP_REFUSAL.unsupported],
    ['add a printer', 0x4003, [LASER], IPP_REFUSAL.unsupported],
    ['remove a printer', 0x4004, [LASER], IPP_REFUSAL.unsupported],
    ['look for devices', 0x400b, [], IPP_REFUSAL.unsupported],
    ['read a document of a job', 0x4027, [LASER, number('job-id', 5)], IPP_REFUSAL.unsupported],
  ])('%s', (_, code, attributes, refusal) => {
    expect(grantRequest(asked(code, attributes), GRANT)).toBe(refusal)
  })

  test('hide one printer behind another, or slip in what is not known', () => {
    const second = { ...OTHER }
    const subscription = {
      tag: 0x06,
      attributes: [ippText(IPP_TAG.uri, 'notify-recipient-uri', 'mailto:x@y')],
    }
    const message = granted(
      asked(
        0x0005,
        [LASER, second, ippText(IPP_TAG.uri, 'document-uri', 'file:///etc/passwd')],
        [subscription],
      ),
    )
    expect(message.groups).toHaveLength(1)
    expect(message.groups[0]?.attributes.map(({ name }) => name)).toEqual([
      'attributes-charset',
      'attributes-natural-language',
      'printer-uri',
      'requesting-user-name',
    ])
  })

  test('see other printers', () => {
    const listed = ['laser', 'secret'].map((name) => ({
      tag: IPP_GROUP.printer,
      attributes: [ippText(IPP_TAG.name, 'printer-name', name)],
    }))
    const request = asked(0x4002, [ippText(IPP_TAG.keyword, 'requested-attributes', 'printer-info')])
    expect(
      granted(request)
        .groups[0]?.attributes.at(-1)
        ?.values.map(({ bytes }) => bytes.toString()),
    ).toEqual(['printer-info', 'printer-name'])
    expect(grantAnswer(request, { ...request, code: 0, groups: listed }, GRANT).groups).toEqual([listed[0]])
  })
})

test('a job is the desktop’s when the answer to its own request names it', () => {
  const answer = {
    version: 0x0200,
    code: 0,
    id: 3,
    groups: [{ tag: IPP_GROUP.job, attributes: [number('job-id', 9)] }],
  }
  expect(madeJob(asked(0x0005, [LASER]), answer)).toBe(9)
  expect(madeJob(asked(0x0009, [number('job-id', 9)]), answer)).toBeUndefined()
})
