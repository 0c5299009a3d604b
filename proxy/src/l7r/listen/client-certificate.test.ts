import { expect, test } from 'vitest'
import { namesOf } from './client-certificate.ts'

test.each([
  ['', []],
  ['DNS:a.example.org, IP Address:192.0.2.1', []],
  ['email:ann@example.org', ['ann@example.org']],
  ['DNS:x, email:ann@example.org, othername:UPN:ann@corp', ['ann@example.org', 'ann@corp']],
  ['email:"ann, email:root@example.org"', ['ann, email:root@example.org']],
  ['URI:"x, email:root@example.org", email:ann@example.org', ['ann@example.org']],
  ['DNS:"a\\", email:root@example.org"', []],
  ['othername:<unsupported>, email:ann@example.org', ['ann@example.org']],
])('%s', (text, names) => {
  expect(namesOf(text)).toEqual(names)
})
