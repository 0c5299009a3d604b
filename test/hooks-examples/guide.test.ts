import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { typeAll, typedIn } from '../fixtures/guide.ts'
import { SealedRoom } from '../fixtures/sealed-room.ts'

const EXAMPLES = join(import.meta.dirname, '../../hooks-examples')

test('what the guide to hooks types puts a hook into an image, and tries it without the agent', async () => {
  await using room = await SealedRoom.open()
  cpSync(EXAMPLES, room.path('/srv/hooks-examples'), { recursive: true })
  await room.shell('mkdir -p /etc/ostler')
  const answers: string[] = []
  await typeAll(async (block) => {
    // At whatever time of day this runs.
    answers.push(await room.shell(`cd /srv/hooks-examples; ${block}`.replace('08:00-18:00', '00:00-24:00')))
    return { code: 0, said: '' }
  }, typedIn('../hooks-examples/README.md'))
  expect(answers).toEqual(['', '0'])
  expect(room.read('/etc/ostler/vma.conf')).toBe(
    'vma.on_action.pre-connect = /etc/ostler/hooks/office-hours\n',
  )
  expect(await room.shell('stat --format=%a:%U /etc/ostler/hooks/office-hours')).toBe('755:root')
  // And at another hour it refuses, with a sentence.
  const [, tried = ''] = typedIn('../hooks-examples/README.md')
  const closed = `cd /srv/hooks-examples; ${tried}`.replace('OSTLER_HOURS=08:00-18:00', 'OSTLER_HOURS=none')
  expect(await room.shell(`set +e; { ${closed.trim()}; } 2>&1`)).toMatch(/cannot be read[^]*\n1$/)
})
