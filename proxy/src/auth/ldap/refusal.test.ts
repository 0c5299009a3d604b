import { expect, test } from 'vitest'
import { refusalOf } from './refusal.ts'

const AD = '80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data'

test.each([
  [49, '', 'unknown-or-wrong'],
  [49, `${AD} 52e, v4563`, 'unknown-or-wrong'],
  [49, `${AD} 525, v4563`, 'unknown-or-wrong'],
  [48, '', 'unknown-or-wrong'],
  [32, '', 'unknown-or-wrong'],
  [49, `${AD} 530, v4563`, 'shut'],
  [49, `${AD} 531, v4563`, 'shut'],
  [49, `${AD} 532, v4563`, 'shut'],
  [49, `${AD} 533, v4563`, 'shut'],
  [49, `${AD} 701, v4563`, 'shut'],
  [49, `${AD} 773, v4563`, 'shut'],
  [49, `${AD} 775, v4563`, 'shut'],
  [19, '', 'shut'],
  [50, '', 'shut'],
  [53, '', 'shut'],
])('%s "%s" is %s', (code, text, kind) => expect(refusalOf({ code, text })).toMatchObject({ kind }))

test.each([1, 2, 3, 7, 8, 10, 11, 13, 14, 34, 51, 52, 80, 123])('%s is neither yes nor no', (code) =>
  expect(refusalOf({ code, text: '' })).toBeUndefined(),
)
