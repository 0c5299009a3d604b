import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { findAccount } from './passwd.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-passwd-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const passwd = join(folder, 'passwd')
writeFileSync(
  passwd,
  'root:x:0:0:root:/root:/bin/bash\nanne:x:1001:1002:Anne, x:/home/anne:/bin/zsh\nann:x:1000:1000::/home/ann:/bin/sh\n\nbroken:x:1\n',
)

test('an account is found by its whole name', () => {
  expect(findAccount('ann', passwd)).toEqual({
    name: 'ann',
    uid: 1000,
    gid: 1000,
    home: '/home/ann',
    shell: '/bin/sh',
  })
  expect(findAccount('anne', passwd)).toMatchObject({ uid: 1001, gid: 1002, shell: '/bin/zsh' })
})

test.each(['nobody', '', 'an', 'broken', 'x', 'ann:x'])('%j is no account', (name) => {
  expect(findAccount(name, passwd)).toBeUndefined()
})

test('this machine has root', () => {
  expect(findAccount('root')).toMatchObject({ uid: 0, gid: 0 })
})
