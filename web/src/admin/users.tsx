import { phrases } from '../shared/language.ts'
import { AddButton } from './add-button.tsx'
import { ask, type RowOf } from './api.ts'
import { BulkButton, type BulkWay } from './bulk.tsx'
import { type Column, List } from './list.tsx'
import { useMay } from './may.ts'
import { hrefOf } from './place.ts'
import { say } from './words.ts'

const sayHere = phrases({
  add: ['New user', 'Nuevo usuario'],
  passwordHint: [
    'Without one she signs in by a directory or a provider only.',
    'Sin ella solo entra mediante un directorio o un proveedor.',
  ],
})
const ROLES = ['user', 'power', 'support'] as const

const columns = (): readonly Column<RowOf<'GET /v1/users'>>[] => [
  {
    ...{ key: 'login', title: say('login') },
    show: ({ login, tenant }) => <a href={hrefOf(['users', login], { tenant })}>{login}</a>,
  },
  { key: 'tenant', title: say('tenant') },
  { key: 'role', title: say('role'), values: ROLES },
  {
    ...{ key: 'blocked', title: say('blocked'), values: ['true', 'false'] },
    valueText: (value) => say(value === 'true' ? 'yes' : 'no'),
  },
]

const bulk = (action: 'block' | 'unblock' | 'del'): BulkWay => ({
  preview: (filter) => ask('POST /v1/users/bulk', { body: { filter } }),
  act: (filter, token) => ask(`POST /v1/users/bulk/${action}`, { body: { filter, token } }),
})

/** All users. */
export function Users({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const { may } = useMay()
  const mayChange = may('user.change')
  return (
    <List
      operation="GET /v1/users"
      title={say('users')}
      page="users"
      query={query}
      columns={columns()}
      nameOf={({ login }) => login}
      tools={
        mayChange && (
          <AddButton
            title={sayHere('add')}
            fields={[
              { name: 'login', label: say('login'), required: true },
              { name: 'password', label: say('password'), isSecret: true, hint: sayHere('passwordHint') },
              { name: 'role', label: say('role'), options: ROLES },
              { name: 'tenant', label: say('tenant') },
            ]}
            onSubmit={({ login = '', role, ...more }) =>
              ask('POST /v1/users', {
                body: { login, role: ROLES.find((each) => each === role) ?? 'user', ...more },
              })
            }
          />
        )
      }
      actions={
        !mayChange
          ? undefined
          : (choice, onDone) =>
              (['block', 'unblock', 'del'] as const).map((action) => (
                <BulkButton key={action} {...{ choice, onDone }} title={say(action)} way={bulk(action)} />
              ))
      }
    />
  )
}
