import { phrases, timeText } from '../shared/language.ts'
import type { RowOf } from './api.ts'
import { type Column, List } from './list.tsx'
import { hrefOf } from './place.ts'
import { say } from './words.ts'

const sayHere = phrases({
  said: ['What was said', 'Qué se dijo'],
  mailed: ['Mailed', 'Por correo'],
  posted: ['Posted', 'Publicado'],
})

const columns = (): readonly Column<RowOf<'GET /v1/notices'>>[] => [
  { key: 'at', title: say('when'), show: ({ at }) => timeText(at) },
  { key: 'kind', title: say('kind') },
  { key: 'vm', title: say('name'), show: ({ vm }) => <a href={hrefOf(['desktops', vm])}>{vm}</a> },
  { key: 'user', title: say('user') },
  { key: 'said', title: sayHere('said') },
  { key: 'mailed_at', title: sayHere('mailed'), show: ({ mailed_at }) => timeText(mailed_at) },
  { key: 'posted_at', title: sayHere('posted'), show: ({ posted_at }) => timeText(posted_at) },
]

/** What administrators were told. */
export function Notices() {
  return (
    <List
      operation="GET /v1/notices"
      title={say('notices')}
      page="notices"
      query={{}}
      columns={columns()}
      nameOf={({ vm }) => vm}
    />
  )
}
