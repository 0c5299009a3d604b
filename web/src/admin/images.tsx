import type { ComponentChildren } from 'preact'
import { phrases } from '../shared/language.ts'
import { AddButton } from './add-button.tsx'
import { ask, type RowOf } from './api.ts'
import { BlockButtons } from './block-buttons.tsx'
import { BulkButton, eachOf } from './bulk.tsx'
import { type Column, List } from './list.tsx'
import { useMay } from './may.ts'
import { hrefOf } from './place.ts'
import { useNamedProperties } from './properties.tsx'
import { say } from './words.ts'

type Image = RowOf<'GET /v1/images'>

const sayHere = phrases({
  add: ['New image', 'Nueva imagen'],
  rollOut: ['Roll out …', 'Desplegar …'],
  pathHint: [
    'The name of a file in the staging folder, or a path of the nodes; an instant image has none.',
    'El nombre de un fichero en la carpeta de preparación o una ruta de los nodos; una imagen instantánea no tiene.',
  ],
})
const KINDS = ['instant', 'directory', 'tarball', 'squashfs', 'qcow2'] as const

const columns = (nameCell: (row: Image) => ComponentChildren): readonly Column<Image>[] => [
  { key: 'name', title: say('name'), show: nameCell },
  { key: 'osf', title: say('flavour') },
  { key: 'version', title: say('version') },
  { key: 'kind', title: say('kind'), values: KINDS },
  { key: 'tags', title: say('tags') },
  { key: 'state', title: say('state') },
  { key: 'blocked', title: say('blocked') },
  { key: 'path', title: say('path') },
]

/** All disk images. */
export function Images({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const { may, isWide } = useMay()
  const mayChange = may('image.change')
  const { nameCell, dialog } = useNamedProperties('images', mayChange)
  return (
    <>
      <List
        operation="GET /v1/images"
        title={say('images')}
        page="images"
        query={query}
        columns={columns(nameCell)}
        nameOf={({ name }) => name}
        choosesRows
        tools={
          mayChange &&
          isWide && (
            <AddButton
              title={sayHere('add')}
              fields={[
                { name: 'osf', label: say('flavour'), required: true },
                { name: 'kind', label: say('kind'), options: KINDS },
                { name: 'path', label: say('path'), hint: sayHere('pathHint') },
                { name: 'version', label: say('version') },
                { name: 'name', label: say('name') },
              ]}
              onSubmit={({ osf = '', kind, ...more }) =>
                ask('POST /v1/images', {
                  body: { osf, kind: KINDS.find((each) => each === kind) ?? 'instant', ...more },
                })
              }
            />
          )
        }
        actions={
          !mayChange
            ? undefined
            : (choice, onDone) => (
                <>
                  <BlockButtons
                    {...{ choice, onDone }}
                    block={({ name }, blocked) =>
                      ask('POST /v1/images/{name}/blocked', { parts: { name }, body: { blocked } })
                    }
                  />
                  <BulkButton
                    {...{ choice, onDone }}
                    title={say('del')}
                    way={eachOf(
                      choice.rows ?? [],
                      ({ name }) => name,
                      ({ id }) => ask('DELETE /v1/images/{id}', { parts: { id: String(id) } }),
                    )}
                  />
                  {isWide && may('job.change') && choice.rows?.length === 1 && (
                    <a class="button" href={hrefOf(['roll-outs'], { image: choice.rows[0]?.name ?? '' })}>
                      {sayHere('rollOut')}
                    </a>
                  )}
                </>
              )
        }
      />
      {dialog}
    </>
  )
}
