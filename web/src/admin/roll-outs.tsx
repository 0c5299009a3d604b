import { useState } from 'preact/hooks'
import { numberText, phrases, timeText } from '../shared/language.ts'
import { ActButton } from './act-button.tsx'
import { type AnswerOf, ask, problemText, type RowOf, type Said } from './api.ts'
import { State } from './desktops.tsx'
import { type Column, List } from './list.tsx'
import { useMay } from './may.ts'
import { goTo, hrefOf } from './place.ts'
import { say, stateText } from './words.ts'

const sayHere = phrases({
  number: ['Number', 'Número'],
  progress: ['Progress', 'Progreso'],
  reason: ['Reason', 'Motivo'],
  ended: ['Ended', 'Terminado'],
  new: ['New roll-out', 'Nuevo despliegue'],
  canary: ['First wave', 'Primera ola'],
  canaryHint: [
    'A number of desktops, or a part such as 5%.',
    'Un número de escritorios o una parte, como 5%.',
  ],
  wave: ['Each further wave', 'Cada ola siguiente'],
  pause: ['Pause between waves', 'Pausa entre olas'],
  soft: ['Ask users to end', 'Pedir a los usuarios que terminen'],
  hard: ['End their sessions', 'Terminar sus sesiones'],
  timeHint: [
    'As for at(1), such as now + 1 hour; empty: never.',
    'Como en at(1), p. ej. now + 1 hour; vacío: nunca.',
  ],
  idle: ['Desktops at which nobody sits', 'Escritorios sin usar'],
  restart: ['are started anew at once', 'se reinician enseguida'],
  wait: ['wait for their next start', 'esperan al próximo inicio'],
  stopOn: ['Stop and roll back after so many failures', 'Parar y revertir tras tantos fallos'],
  preview: ['Preview', 'Vista previa'],
  previewed: [
    '{image} instead of {old} for the tag {tag}: {count} desktops in {waves} waves. Nothing has been done yet.',
    '{image} en lugar de {old} para la etiqueta {tag}: {count} escritorios en {waves} olas. Todavía no se ha hecho nada.',
  ],
  begin: ['Begin', 'Empezar'],
  waveTitle: ['Wave', 'Ola'],
  some: ['These are {count} of them.', 'Estos son {count} de ellos.'],
  does: ['What becomes of it', 'Qué pasará'],
})

const columns = (): readonly Column<RowOf<'GET /v1/jobs'>>[] => [
  {
    ...{ key: 'id', title: sayHere('number') },
    show: ({ id }) => <a href={hrefOf(['roll-outs', String(id)])}>{id}</a>,
  },
  { key: 'state', title: say('state'), show: ({ state }) => <State state={state} /> },
  { key: 'progress', title: sayHere('progress') },
  { key: 'by', title: say('who') },
  { key: 'made', title: say('when'), show: ({ made }) => timeText(made) },
  { key: 'ended', title: sayHere('ended'), show: ({ ended }) => timeText(ended) },
  { key: 'reason', title: sayHere('reason') },
]

/** Roll-outs there were, and a new one: said, previewed, begun. */
export function RollOuts({ image }: { readonly image: string }) {
  const { may } = useMay()
  const [isNew, setNew] = useState(image !== '')
  return isNew ? (
    <Wizard image={image} onLeave={() => setNew(false)} />
  ) : (
    <List
      operation="GET /v1/jobs"
      title={say('rollOuts')}
      page="roll-outs"
      query={{}}
      columns={columns()}
      nameOf={({ id }) => String(id)}
      tools={
        may('job.change') && (
          <button class="main" onClick={() => setNew(true)}>
            {sayHere('new')}
          </button>
        )
      }
    />
  )
}

type Preview = AnswerOf<'POST /v1/roll-outs'>
type Plan = Said<'POST /v1/roll-outs'>['body']

function Wizard({ image, onLeave }: { readonly image: string; readonly onLeave: () => void }) {
  const [preview, setPreview] = useState<Preview>()
  const [problem, setProblem] = useState('')
  const plan = (body: Plan): void => {
    setProblem('')
    ask('POST /v1/roll-outs', { body })
      .then(setPreview)
      .catch((error: unknown) => setProblem(problemText(error)))
  }
  return (
    <article>
      <header>
        <h1>{sayHere('new')}</h1>
      </header>
      {preview === undefined ? <PlanForm image={image} onPlan={plan} /> : <Previewed preview={preview} />}
      {problem !== '' && <p role="alert">{problem}</p>}
      <div class="tools">
        <button onClick={preview === undefined ? onLeave : () => setPreview(undefined)}>
          {say('cancel')}
        </button>
      </div>
    </article>
  )
}

function PlanForm({ image, onPlan }: { readonly image: string; readonly onPlan: (plan: Plan) => void }) {
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const field = (name: string): string => (form.get(name) as string).trim()
    const [soft, hard] = [field('soft'), field('hard')]
    onPlan({
      ...{ di: field('di'), tag: field('tag'), canary: field('canary'), wave: field('wave') },
      ...{ pause: field('pause'), idle: field('idle') === 'wait' ? 'wait' : 'restart' },
      'stop-on': Number(field('stop-on')),
      ...(soft === '' ? {} : { soft }),
      ...(hard === '' ? {} : { hard }),
    })
  }
  const fields = [
    ['di', say('image'), image, ''],
    ['tag', say('tag'), 'default', ''],
    ['canary', sayHere('canary'), '5%', sayHere('canaryHint')],
    ['wave', sayHere('wave'), '25%', sayHere('canaryHint')],
    ['pause', sayHere('pause'), '10m', ''],
    ['soft', sayHere('soft'), '', sayHere('timeHint')],
    ['hard', sayHere('hard'), '', sayHere('timeHint')],
    ['stop-on', sayHere('stopOn'), '1', ''],
  ] as const
  return (
    <form class="panel plan" onSubmit={submit}>
      {fields.map(([name, label, value, hint]) => (
        <label key={name}>
          {label}
          <input name={name} defaultValue={value} required={value !== ''} spellcheck={false} />
          {hint !== '' && <span class="quiet">{hint}</span>}
        </label>
      ))}
      <label>
        {sayHere('idle')}
        <select name="idle">
          <option value="restart">{sayHere('restart')}</option>
          <option value="wait">{sayHere('wait')}</option>
        </select>
      </label>
      <button class="main">{sayHere('preview')}</button>
    </form>
  )
}

/** Lines of a preview that are shown. */
const SHOWN = 100

function Previewed({ preview }: { readonly preview: Preview }) {
  const { job, token, image, old, tag, waves, lines } = preview
  return (
    <>
      <p role="status">
        {sayHere('previewed', {
          ...{ image, tag, old: old ?? '–', waves },
          count: numberText(lines.length),
        })}
      </p>
      <ActButton
        main
        act={() =>
          ask('POST /v1/jobs/{number}/run', { parts: { number: String(job) }, body: { token } }).then(() =>
            goTo(hrefOf(['roll-outs', String(job)])),
          )
        }
      >
        {sayHere('begin')}
      </ActButton>
      <div class="scroller" tabIndex={0} role="region" aria-label={sayHere('preview')}>
        <table>
          <thead>
            <tr>
              <th scope="col">{sayHere('waveTitle')}</th>
              <th scope="col">{say('name')}</th>
              <th scope="col">{say('state')}</th>
              <th scope="col">{say('user')}</th>
              <th scope="col">{say('image')}</th>
              <th scope="col">{sayHere('does')}</th>
            </tr>
          </thead>
          <tbody>
            {lines.slice(0, SHOWN).map(({ vm, state, user, runs, wave, does }) => (
              <tr key={vm}>
                <td>{wave}</td>
                <td>{vm}</td>
                <td>{stateText(state)}</td>
                <td>{user ?? '–'}</td>
                <td>{runs ?? '–'}</td>
                <td>{does}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {lines.length > SHOWN && <p class="quiet">{sayHere('some', { count: numberText(SHOWN) })}</p>}
    </>
  )
}
