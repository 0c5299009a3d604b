import { phrases } from '../shared/language.ts'
import { AddButton } from './add-button.tsx'
import { ask, type RowOf } from './api.ts'
import { BulkButton, type BulkWay } from './bulk.tsx'
import { type Column, List } from './list.tsx'
import { useMay } from './may.ts'
import { hrefOf } from './place.ts'
import { say, stateText } from './words.ts'

export type Desktop = RowOf<'GET /v1/desktops'>

const STATES = ['stopped', 'preparing', 'booting', 'running', 'stopping', 'killing', 'lost', 'failed']
const sayHere = phrases({ add: ['New desktop', 'Nuevo escritorio'] })

/** A state with its colour beside the word. */
export function State({ state }: { readonly state: string }) {
  return <span class={`state ${state.replaceAll(' ', '-')}`}>{stateText(state)}</span>
}

const columns = (): readonly Column<Desktop>[] => [
  { key: 'name', title: say('name'), show: ({ name }) => <a href={hrefOf(['desktops', name])}>{name}</a> },
  { key: 'user', title: say('user') },
  { key: 'osf', title: say('flavour') },
  {
    ...{ key: 'state', title: say('state'), values: STATES, valueText: stateText },
    show: ({ state }) => <State state={state} />,
  },
  {
    ...{
      key: 'user_state',
      title: say('session'),
      values: ['connected', 'disconnected'],
      valueText: stateText,
    },
    show: ({ user_state }) => stateText(user_state),
  },
  { key: 'host', title: say('node') },
  { key: 'di', title: say('image') },
  {
    ...{ key: 'blocked', title: say('blocked'), values: ['true', 'false'] },
    valueText: (value) => say(value === 'true' ? 'yes' : 'no'),
  },
  { key: 'fault', title: say('fault'), show: ({ fault }) => <span title={fault ?? ''}>{fault ?? '–'}</span> },
]

/** What can be done to desktops, with the permission that it takes. */
const ACTIONS = [
  ['start', 'desktop.run'],
  ['stop', 'desktop.run'],
  ['reset', 'desktop.run'],
  ['disconnect', 'desktop.run'],
  ['block', 'desktop.change'],
  ['unblock', 'desktop.change'],
  ['del', 'desktop.change'],
] as const

const bulk = (action: (typeof ACTIONS)[number][0]): BulkWay => ({
  preview: (filter) => ask('POST /v1/desktops/bulk', { body: { filter } }),
  act: (filter, token) => ask(`POST /v1/desktops/bulk/${action}`, { body: { filter, token } }),
})

/** All desktops. */
export function Desktops({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const { may } = useMay()
  return (
    <List
      operation="GET /v1/desktops"
      title={say('desktops')}
      page="desktops"
      query={query}
      columns={columns()}
      nameOf={({ name }) => name}
      tools={
        may('desktop.change') && (
          <AddButton
            title={sayHere('add')}
            fields={[
              { name: 'name', label: say('name'), required: true },
              { name: 'user', label: say('user'), required: true },
              { name: 'osf', label: say('flavour'), required: true },
              { name: 'di_tag', label: say('tag'), value: 'default' },
              { name: 'tenant', label: say('tenant') },
            ]}
            onSubmit={({ name = '', user = '', osf = '', ...more }) =>
              ask('POST /v1/desktops', { body: { name, user, osf, ...more } })
            }
          />
        )
      }
      actions={(choice, onDone) =>
        ACTIONS.filter(([, needs]) => may(needs)).map(([action]) => (
          <BulkButton key={action} {...{ choice, onDone }} title={say(action)} way={bulk(action)} />
        ))
      }
    />
  )
}
