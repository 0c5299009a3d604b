// What a sign-in by a directory takes, beside slapd's own client: connect, search, bind, close.
import { Directory } from '../fixtures/directory.ts'
import { ldap, PEOPLE_BASE, person, unit } from '../fixtures/ldap-people.ts'

const ROUNDS = 200
const AT_ONCE = 50

const crowd = Array.from({ length: 3_000 }, (_, index) => person(`u${index}`))
await using directory = await Directory.start({ ldif: [unit('people'), ...crowd].join('') })
const ask = ldap({
  'auth.ldap.host': directory.uri,
  'auth.ldap.base': PEOPLE_BASE,
  'auth.ldap.scope': 'sub',
})

async function milliseconds(rounds: number, job: () => Promise<unknown>): Promise<number> {
  await job()
  const start = performance.now()
  for (let round = 0; round < rounds; round++) await job()
  return (performance.now() - start) / rounds
}

const right = await milliseconds(ROUNDS, () => ask('u2000', 'pw-u2000'))
const wrong = await milliseconds(ROUNDS, () => ask('u2000', 'wrong'))
const unknown = await milliseconds(ROUNDS, () => ask('nobody', 'wrong'))
const storm = await milliseconds(5, () =>
  Promise.all(Array.from({ length: AT_ONCE }, (_, index) => ask(`u${index}`, `pw-u${index}`))),
)
const client = await milliseconds(20, () => directory.whoAmI(`uid=u2000,${PEOPLE_BASE}`, 'pw-u2000'))
for (const [what, value] of Object.entries({
  right,
  wrong,
  unknown,
  [`${AT_ONCE} at once`]: storm,
  ldapwhoami: client,
}))
  console.log(`${what.padEnd(12)} ${value.toFixed(2)} ms`)
