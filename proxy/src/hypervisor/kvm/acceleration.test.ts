import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { probeAcceleration } from './acceleration.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-probe-'))
chmodSync(folder, 0o755)
afterAll(() => rmSync(folder, { recursive: true }))

const UID = 1_900_000_999

/** A QEMU whose KVM behaves as a script says, and whose emulation is the real one's. */
function qemuWithKvm(script: string): string {
  const program = join(folder, 'qemu')
  writeFileSync(
    program,
    `#!/bin/sh
case "$*" in *'-accel kvm'*) ${script} ;; *) exec qemu-system-x86_64 "$@" ;; esac
`,
    { mode: 0o755 },
  )
  return program
}

function probe(script: string): Promise<{ name: string }> {
  return probeAcceleration({ folder, uid: UID, groups: [], program: qemuWithKvm(script) })
}

test('KVM that boots a 64-bit program as fast as emulation is used', async () => {
  // What -accel kvm would do on a machine that has it.
  const working = `exec qemu-system-x86_64 $(echo "$@" | sed 's/-accel kvm/-accel tcg/')`
  expect(await probe(working)).toEqual({ name: 'kvm' })
})

test('KVM that stands still is not used, and the reason is told', async () => {
  const outcome = await probe('exec sleep 60')
  expect(outcome).toMatchObject({
    name: 'tcg',
    because: expect.stringMatching(/did not run within \d+ ms/) as string,
  })
})

test('KVM that cannot be opened is not used, and QEMU’s own words are told', async () => {
  const outcome = await probe(`echo 'Could not access KVM kernel module: Permission denied' >&2; exit 1`)
  expect(outcome).toEqual({ name: 'tcg', because: 'Could not access KVM kernel module: Permission denied' })
})

test('KVM in which the guest only ends is not used', async () => {
  expect(await probe('exit 0')).toEqual({ name: 'tcg', because: 'the guest ended without a word' })
})

test('a QEMU that does not even emulate is an error, and nothing is left', async () => {
  const broken = { folder, uid: UID, groups: [], program: '/bin/false' }
  await expect(probeAcceleration(broken)).rejects.toThrow('/bin/false does not even emulate')
  expect(readdirSync(folder)).toEqual(['qemu'])
})
