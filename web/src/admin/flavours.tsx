import type { ComponentChildren } from 'preact'
import { numberText, phrases } from '../shared/language.ts'
import { AddButton } from './add-button.tsx'
import { ask, type RowOf } from './api.ts'
import { BulkButton, eachOf } from './bulk.tsx'
import { type Column, List } from './list.tsx'
import { useMay } from './may.ts'
import { useNamedProperties } from './properties.tsx'
import { say } from './words.ts'

type Flavour = RowOf<'GET /v1/flavours'>

const sayHere = phrases({
  add: ['New flavour', 'Nuevo tipo'],
  cpus: ['Processors', 'Procesadores'],
  application: ['Application', 'Aplicación'],
  hypervisor: ['Run by', 'Ejecutado por'],
  overlay: ['What is written', 'Lo que se escribe'],
  most: ['At most', 'Como máximo'],
})
const OVERLAYS = ['snapshot', 'persistent', 'user'] as const

const columns = (nameCell: (row: Flavour) => ComponentChildren): readonly Column<Flavour>[] => [
  { key: 'name', title: say('name'), show: nameCell },
  { key: 'memory', title: say('memory') },
  { key: 'cpu_percent', title: sayHere('cpus'), show: ({ cpu_percent }) => numberText(cpu_percent / 100, 2) },
  { key: 'is_application', title: sayHere('application') },
  { key: 'hypervisor', title: sayHere('hypervisor') },
  { key: 'overlay', title: sayHere('overlay'), values: OVERLAYS },
  { key: 'max_desktops', title: sayHere('most') },
  { key: 'tenant', title: say('tenant') },
]

/** All flavours. */
export function Flavours({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const { may } = useMay()
  const mayChange = may('flavour.change')
  const { nameCell, dialog } = useNamedProperties('flavours', mayChange)
  return (
    <>
      <List
        operation="GET /v1/flavours"
        title={say('flavours')}
        page="flavours"
        query={query}
        columns={columns(nameCell)}
        nameOf={({ name }) => name}
        choosesRows
        tools={
          mayChange && (
            <AddButton
              title={sayHere('add')}
              fields={[
                { name: 'name', label: say('name'), required: true },
                { name: 'memory', label: say('memory'), value: '1024' },
                { name: 'cpus', label: sayHere('cpus'), value: '1' },
                { name: 'application', label: sayHere('application'), options: ['no', 'yes'] },
                { name: 'overlay', label: sayHere('overlay'), options: OVERLAYS },
                { name: 'tenant', label: say('tenant') },
              ]}
              onSubmit={({ name = '', memory, cpus, application, overlay, tenant }) =>
                ask('POST /v1/flavours', {
                  body: {
                    ...{ name, memory: Number(memory), cpus: Number(cpus) },
                    application: application === 'yes' ? 'yes' : 'no',
                    overlay: OVERLAYS.find((each) => each === overlay) ?? 'snapshot',
                    ...(tenant === undefined ? {} : { tenant }),
                  },
                })
              }
            />
          )
        }
        actions={
          !mayChange
            ? undefined
            : (choice, onDone) => (
                <BulkButton
                  {...{ choice, onDone }}
                  title={say('del')}
                  way={eachOf(
                    choice.rows ?? [],
                    ({ name }) => name,
                    ({ name }) => ask('DELETE /v1/flavours/{name}', { parts: { name } }),
                  )}
                />
              )
        }
      />
      {dialog}
    </>
  )
}
