import { expect, test } from 'vitest'
import { ownerOf } from './viewer.ts'

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   996        0 31 1 0 100 0 0 10 0
   1: 0100007F:20FB 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 32 1 0 20 4 30 10 -1
   2: 0100007F:C350 0100007F:20FB 01 00000000:00000000 00:00000000 00000000  1000        0 33 1 0 20 4 30 10 -1
   3: 0200007F:C351 0100007F:20FB 01 00000000:00000000 00:00000000 00000000  1001        0 34 1 0 20 4 30 10 -1
`

test('whose end of a loopback connection it is stands in the line of that end', () => {
  expect(ownerOf(TABLE, 0xc350, 0x20fb)).toBe(1000)
  expect(ownerOf(TABLE, 0x20fb, 0xc350)).toBe(0)
})

test('a connection that is not there, or from elsewhere, is nobody’s', () => {
  expect(ownerOf(TABLE, 0xc351, 0x20fb)).toBeUndefined()
  expect(ownerOf('', 1, 2)).toBeUndefined()
})
