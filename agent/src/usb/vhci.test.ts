import { expect, test } from 'vitest'
import { parsePorts } from './vhci.ts'

test('free and taken ports of both kinds are told apart', () => {
  const text = [
    'hub port sta spd dev      sockfd local_busid',
    'hs  0000 006 003 00010002 000003 1-1',
    'hs  0001 004 000 00000000 000000 0-0',
    'ss  0008 004 000 00000000 000000 0-0',
    '',
  ].join('\n')
  expect(parsePorts(text)).toEqual([
    { number: 0, fast: false, free: false },
    { number: 1, fast: false, free: true },
    { number: 8, fast: true, free: true },
  ])
})
