import { timeText } from '../shared/language.ts'
import { ask, type RowOf } from './api.ts'
import { BlockButtons } from './block-buttons.tsx'
import { State } from './desktops.tsx'
import { type Column, List } from './list.tsx'
import { useMay } from './may.ts'
import { hrefOf } from './place.ts'
import { say } from './words.ts'

type Node = RowOf<'GET /v1/hosts'>

const columns = (): readonly Column<Node>[] => [
  { key: 'name', title: say('name') },
  { key: 'state', title: say('state'), show: ({ state }) => <State state={state} /> },
  { key: 'blocked', title: say('blocked') },
  { key: 'memory', title: say('memory') },
  {
    ...{ key: 'desktops', title: say('desktops') },
    show: ({ name, desktops }) => <a href={hrefOf(['desktops'], { filter: `host=${name}` })}>{desktops}</a>,
  },
  { key: 'address', title: say('address') },
  { key: 'seen', title: say('when'), show: ({ seen }) => timeText(seen) },
]

/** All nodes. */
export function Nodes({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const { may } = useMay()
  const mayChange = may('host.change')
  return (
    <List
      operation="GET /v1/hosts"
      title={say('nodes')}
      page="nodes"
      query={query}
      columns={columns()}
      nameOf={({ name }) => name}
      choosesRows
      actions={
        !mayChange
          ? undefined
          : (choice, onDone) => (
              <BlockButtons
                {...{ choice, onDone }}
                block={({ name }, blocked) =>
                  ask('POST /v1/hosts/{name}/blocked', { parts: { name }, body: { blocked } })
                }
              />
            )
      }
    />
  )
}
