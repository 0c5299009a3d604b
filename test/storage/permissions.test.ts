import { Fault } from '@ostler/contract/fault.ts'
import { run } from '@ostler/kit/run.ts'
import { requirePermissions } from '@ostler/proxy/hypervisor/storage/permissions.ts'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

/** Below a folder that everybody may pass, as `/srv` is. */
let top: string
let folder: string

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'ostler-permissions-'))
  chmodSync(top, 0o755)
  folder = join(top, 'storage/overlayfs')
  mkdirSync(folder, { recursive: true, mode: 0o755 })
})
afterEach(() => rmSync(top, { recursive: true, force: true }))

const refused = (path = folder): Fault => {
  try {
    requirePermissions([path])
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  throw new Error(`${path} is taken`)
}

describe('a folder of the storage is taken', () => {
  test.each([0o700, 0o600, 0o740])('when it is closed itself: mode %o', (mode) => {
    chmodSync(folder, mode)
    expect(() => requirePermissions([folder])).not.toThrow()
  })

  test('when one that it lies in is closed, whatever is below', () => {
    chmodSync(dirname(folder), 0o700)
    chmodSync(folder, 0o777)
    chownSync(folder, 1_000, 1_000)
    expect(() => requirePermissions([folder])).not.toThrow()
  })

  test('when it is not there: it is made, and closed', () => {
    const missing = join(top, 'more/homefs')
    requirePermissions([missing])
    expect(statSync(missing).mode & 0o777).toBe(0o700)
  })
})

describe('a folder of the storage is refused, and the cure mends it', () => {
  const obstacles: [string, RegExp, () => void][] = [
    ['that others may pass', /other users may pass \(mode 0755\)/, () => undefined],
    ['that a group may pass', /other users may pass \(mode 0710\)/, () => chmodSync(folder, 0o710)],
    [
      'that another user owns',
      /overlayfs belongs to the user 1000$/,
      () => {
        chmodSync(folder, 0o700)
        chownSync(folder, 1_000, 0)
      },
    ],
    [
      'in one of another user',
      /storage belongs to the user 1000$/,
      () => {
        chmodSync(folder, 0o700)
        chownSync(dirname(folder), 1_000, 0)
      },
    ],
    [
      'in one to which all may write: they put another one in its place',
      /other users may write to .*storage \(mode 0777\)/,
      () => {
        chmodSync(folder, 0o700)
        chmodSync(dirname(folder), 0o777)
      },
    ],
  ]
  test.each(obstacles)('%s', async (_, problem, make) => {
    make()
    const fault = refused()
    expect(fault.code).toBe('storage.permissions')
    expect(fault.message).toContain(folder)
    expect(fault.message).toMatch(problem)
    const [command = '', ...args] = (fault.advice.split(';')[0] ?? '').split(' ')
    await run(command, args)
    expect(() => requirePermissions([folder])).not.toThrow()
  })

  test('where a link leads', () => {
    const link = join(top, 'link')
    chmodSync(dirname(folder), 0o700)
    symlinkSync(folder, link)
    expect(() => requirePermissions([link])).not.toThrow()
    chmodSync(dirname(folder), 0o755)
    expect(refused(link).advice).toContain(`chmod 700 ${folder}`)
  })

  test('to which root may not write', async () => {
    chmodSync(folder, 0o700)
    await run('chattr', ['+i', folder])
    try {
      expect(refused().message).toMatch(/hkd may not write there \(EPERM\)/)
    } finally {
      await run('chattr', ['-i', folder])
    }
  })
})
