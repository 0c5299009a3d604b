import { useState } from 'preact/hooks'
import { phrases } from '../shared/language.ts'
import { ActButton } from './act-button.tsx'
import { ask } from './api.ts'
import { State } from './desktops.tsx'
import { FormDialog } from './dialog.tsx'
import { useLive, useLiveRows } from './live.ts'
import { useMay } from './may.ts'
import { goTo, hrefOf } from './place.ts'
import { PropertySection } from './properties.tsx'
import { Waiting } from './waiting.tsx'
import { say } from './words.ts'

/** Desktops of one user that are shown. */
const MOST = 200

const sayHere = phrases({
  setPassword: ['Another password …', 'Otra contraseña …'],
  noDesktops: ['She has none.', 'No tiene ninguno.'],
  sure: [
    'Her desktops are removed with her, and her homes go to the trash.',
    'Se eliminan sus escritorios y sus carpetas personales van a la papelera.',
  ],
})

/** One user: her desktops, her properties, and what can be done. */
export function UserPage({ login, tenant }: { readonly login: string; readonly tenant: string }) {
  const said = tenant === '' ? {} : { tenant }
  const { value, trouble } = useLive('GET /v1/users/{login}', { parts: { login }, query: said })
  const filter = `user=${login}${tenant === '' ? '' : `,tenant=${tenant}`}`
  const desktops = useLiveRows('GET /v1/desktops', { filter, sort: 'name', limit: MOST })
  const { may } = useMay()
  const [open, setOpen] = useState<'password' | 'del'>()
  if (value === undefined) return <Waiting trouble={trouble} />
  return (
    <article>
      <header>
        <h1>{login}</h1>
        <span class="quiet">
          {value.tenant}, {value.role}
          {value.blocked && `, ${say('blocked')}`}
        </span>
      </header>
      {may('user.change') && (
        <div class="tools">
          <ActButton
            act={() =>
              ask('POST /v1/users/{name}/blocked', {
                parts: { name: login },
                body: { ...said, blocked: !value.blocked },
              })
            }
          >
            {say(value.blocked ? 'unblock' : 'block')}
          </ActButton>
          <button onClick={() => setOpen('password')}>{sayHere('setPassword')}</button>
          <button onClick={() => setOpen('del')}>{say('del')}</button>
        </div>
      )}
      <div class="panels">
        <section class="panel">
          <h2>{say('desktops')}</h2>
          {desktops.ready && desktops.rows.length === 0 && <p class="quiet">{sayHere('noDesktops')}</p>}
          <ul class="lines">
            {desktops.rows.map(({ id, name, state }) => (
              <li key={id}>
                <a href={hrefOf(['desktops', name])}>{name}</a> <State state={state} />
              </li>
            ))}
          </ul>
        </section>
        <PropertySection owner="users" name={login} tenant={tenant} mayChange={may('user.change')} />
      </div>
      {open === 'password' && (
        <FormDialog
          title={sayHere('setPassword')}
          action={say('save')}
          fields={[{ name: 'password', label: say('password'), isSecret: true, required: true }]}
          onClose={() => setOpen(undefined)}
          onSubmit={({ password = '' }) =>
            ask('POST /v1/users/{login}/password', { parts: { login }, body: { ...said, password } })
          }
        />
      )}
      {open === 'del' && (
        <FormDialog
          title={`${say('del')}: ${login}`}
          action={say('del')}
          fields={[{ name: 'login', label: say('login'), required: true, hint: sayHere('sure') }]}
          onClose={() => setOpen(undefined)}
          onSubmit={async ({ login: typed }) => {
            if (typed !== login) throw new Error(`${login} ≠ ${typed ?? ''}`)
            await ask('DELETE /v1/users/{login}', { parts: { login }, query: said })
            goTo(hrefOf(['users']))
          }}
        />
      )}
    </article>
  )
}
