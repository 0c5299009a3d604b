import { expect, test } from 'vitest'
import { displaySocket, runFolder } from './run-folder.ts'

test('the folder of a desktop follows from path.run and its number', () => {
  expect(runFolder('/run/ostler', 12)).toEqual({
    root: '/run/ostler/desktops/12',
    boot: '/run/ostler/desktops/12/boot',
    display: '/run/ostler/desktops/12/display',
  })
})

test('each kind of display has a socket of its own, in the folder that the guest may write', () => {
  expect(displaySocket('/run/ostler', 12, 'nx')).toBe('/run/ostler/desktops/12/display/nx.sock')
  expect(displaySocket('/run/ostler', 12, 'rfb')).toBe('/run/ostler/desktops/12/display/rfb.sock')
})

test('the path of a display fits into a socket address', () => {
  expect(displaySocket('/run/ostler', 2 ** 31 - 1, 'rfb').length).toBeLessThan(108)
})
