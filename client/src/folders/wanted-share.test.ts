import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { configuredShares, wantedShare } from './wanted-share.ts'

test('folders of the configuration are shared once, and one that is missing is told and stops nothing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-shares-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [docs, stick, lost] = ['docs', 'stick', 'lost'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  for (const path of [docs, stick]) mkdirSync(path)
  const told: string[] = []
  const shares = configuredShares([docs, `${stick}=key:ro`, lost, stick], [wantedShare(docs)], (line) =>
    told.push(line),
  )
  expect(shares).toEqual([{ path: stick, name: 'key', readOnly: true }])
  expect(told).toEqual([expect.stringMatching(/\/lost is not shared: .*no such file/i)])
})
