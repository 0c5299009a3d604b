import { expect } from 'vitest'
import { test } from './guest-test.ts'

test('a program in the guest tells its exit code, and both outputs apart', async ({ guest }) => {
  const outcome = await guest.run(['sh', '-c', 'cat; echo to the other >&2; exit 7'], { input: 'zürich\n' })
  expect(outcome).toEqual({ code: 7, stdout: 'zürich\n', stderr: 'to the other\n' })
})

test('arguments arrive as they are', async ({ guest }) => {
  const strange = ['a b', "it's", '$HOME', '', 'two\nlines']
  expect(await guest.must(['printf', '<%s>', ...strange])).toBe(strange.map((word) => `<${word}>`).join(''))
})

test('programs run side by side, and a long output comes whole', async ({ guest }) => {
  const slow = guest.must(['sh', '-c', 'until test -e /run/go-on; do sleep 0.1; done; echo done'])
  const long = await guest.must(['head', '--bytes=1000000', '/dev/zero'])
  expect(long).toHaveLength(1_000_000)
  await guest.must(['touch', '/run/go-on'])
  expect(await slow).toBe('done')
})

test('what runs too long is killed in the guest, with its children', async ({ guest }) => {
  const endless = ['sh', '-c', 'echo begun; sleep 98765 & wait']
  await expect(guest.run(endless, { timeoutMs: 2_000 })).rejects.toThrow(
    /was still running after 2000 ms: begun/,
  )
  await guest.must(['sh', '-c', 'while pgrep -f "[s]leep 98765"; do sleep 0.1; done'])
})

test('a daemon that a program leaves behind does not keep its answer', async ({ guest }) => {
  expect(await guest.must(['sh', '-c', 'sleep 12345 & echo $! > /run/left-behind; echo left'])).toBe('left')
  await guest.must(['sh', '-c', 'kill "$(cat /run/left-behind)"'])
})

test('a program that is not there is told as such', async ({ guest }) => {
  await expect(guest.run(['/no/such/program'])).rejects.toThrow(/could not be run: .*No such file/)
})
