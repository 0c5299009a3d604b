import { expect, test } from 'vitest'
import { NOTIFY_OPTIONS } from './notify.ts'

const read = {
  on: NOTIFY_OPTIONS['notify.on'].parse,
  to: NOTIFY_OPTIONS['notify.mail.to'].parse,
  url: NOTIFY_OPTIONS['notify.webhook.url'].parse,
}

test('lists are read with and without blanks, and an empty one is none', () => {
  expect(read.on(' failure, expiry ')).toEqual(['failure', 'expiry'])
  expect(read.on('')).toEqual([])
  expect(read.to('ann@example.org,bob@example.org')).toEqual(['ann@example.org', 'bob@example.org'])
  expect(read.url('')).toBeUndefined()
  expect(read.url('https://example.org/hook?x=1')?.host).toBe('example.org')
})

test('an address that is refused is not shown: it may hold a password', () => {
  expect(() => read.url('https://ann:hunter2@example.org/')).toThrow(/^(?!.*hunter2)/)
})

test.each<[keyof typeof read, string, string]>([
  ['on', 'failure,success', 'success is none of'],
  ['to', 'ann', 'ann is no mail address'],
  ['to', 'ann@example.org\nBcc: all@example.org', 'is no mail address'],
  ['url', 'example.org', 'is no address such as'],
  ['url', 'file:///etc/passwd', 'is no address such as'],
  ['url', 'https://ann:secret@example.org/', 'without a name and a password'],
])('%s refuses %j', (key, text, problem) => {
  expect(() => read[key](text)).toThrow(problem)
})
