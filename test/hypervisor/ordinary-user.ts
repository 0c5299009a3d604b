import { holderUri } from '@ostler/contract/identity.ts'
import { issueIdentity, makeAuthority, signCertificate } from '@ostler/kit/certificate.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { randomBytes } from 'node:crypto'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { enrolAgent, openAgentLink } from '../../proxy/src/guest/agent-link.ts'
import type { DesktopSpec } from '../../proxy/src/hypervisor/hypervisor.ts'
import { inTurn } from '../../proxy/src/hypervisor/in-turn.ts'
import { ownerOnNode, processHypervisor } from '../../proxy/src/hypervisor/process/process.ts'
import { findSandbox } from '../../proxy/src/hypervisor/process/sandbox-processes.ts'
import { housed } from '../../proxy/src/hypervisor/homes/housed.ts'
import { testHome, testHousing } from '../fixtures/home.ts'
import { runFolder } from '../../proxy/src/model/run-folder.ts'

/** Run by `ordinary-user.test.ts` as a user who is not root: opens a whole session in a desktop, and says how it went as JSON. */
const [, , folder = '', bundle = ''] = process.argv
const ADDRESS = { desktop: 1, epoch: 1 }

const run = join(folder, 'run')
const places = { run, homes: join(folder, 'homes') }
const owner = (desktop: DesktopSpec) => ownerOnNode(undefined, desktop)
const driver = inTurn(
  housed(
    processHypervisor({
      ...places,
      prefix: 'unused-',
      images: join(folder, 'images'),
      overlays: join(folder, 'overlays'),
      bundle,
      displayGid: 0,
      root: undefined,
    }),
    testHousing({ ...places, kinds: ['directory'], owner }),
  ),
)
const spec: DesktopSpec = {
  id: 1,
  epoch: 1,
  name: 'desk',
  ownerId: 1,
  tenantId: 1,
  login: 'ann',
  address: '127.0.0.1',
  flavour: { id: 1, memoryMb: 1024, cpuPercent: 100 },
  home: testHome(1),
  image: { id: 1, name: 'instant', kind: 'instant', path: '/' },
}

async function main(): Promise<void> {
  await driver.prepare(spec)
  await driver.boot(spec)
  const { agentAt } = driver.observe(1)
  if (agentAt === undefined) throw new Error('nobody says where the agent is')
  const at = { ...ADDRESS, ...agentAt }
  const authority = await makeAuthority('Test', 2)
  const secret = randomBytes(32)
  const ticket = { ...ADDRESS, secret: secret.toString('hex'), displayUid: 0, listen: 'socket' }
  writeFileSync(join(runFolder(run, 1).boot, 'enrol.json'), JSON.stringify(ticket), { mode: 0o600 })
  const uri = holderUri({ role: 'vma', ...ADDRESS })
  const sign = async (publicKey: Buffer) => ({
    certificate: await signCertificate(authority, { commonName: 'desktop', uri, publicKey, days: 1 }),
    authority: authority.certificate,
  })
  const holds = (attempt: () => Promise<unknown>): Promise<boolean> =>
    comesToHold(
      () =>
        attempt().then(
          () => true,
          () => false,
        ),
      20_000,
      50,
    )
  const enrolled = await holds(() => enrolAgent(at, secret, sign, AbortSignal.timeout(3_000)))
  const own = await issueIdentity(authority, { commonName: 'l7r', uri: holderUri({ role: 'l7r' }), days: 1 })
  using link = openAgentLink(at, { ...own, authority: authority.certificate })
  const serves = await holds(() => link.client.ping({}))
  const started = await link.client.x_start({ display: 'rfb', parameters: { 'qvd.vm.user.name': 'ann' } })
  const stranger = await link.client
    .x_stop({})
    .then(() => link.client.x_start({ display: 'nx', parameters: { 'qvd.vm.user.name': 'bob' } }))
    .catch((error: unknown) => String(error))
  const [init] = findSandbox(runFolder(run, 1).root).inits
  const display = statSync(join(runFolder(run, 1).display, 'rfb.sock')).isSocket()
  await driver.kill(1)
  const after = driver.observe(1).processes
  await driver.release(1)
  const uid = process.getuid?.()
  console.log(
    JSON.stringify({ uid, initUid: init?.uid, enrolled, serves, started, stranger, display, after }),
  )
}

await main().finally(() => driver.kill(1))
