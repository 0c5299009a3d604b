import type { Standing } from './fields.ts'

/** What the page says above its form. */
export interface PageState {
  readonly fields: readonly Standing[]
  /** Whether a desktop may be restarted from here. */
  readonly offersRestart: boolean
  readonly said?: { readonly kind: 'done' | 'wrong'; readonly text: string }
}

export const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 2rem auto; padding: 0 1rem; color: #1d2b2d; background: #f7f9f9 }
h1 { font-size: 1.4rem }
label { display: block; margin-top: 1rem; font-weight: 600 }
label.flag { font-weight: 400 }
input:not([type=checkbox]), select { width: 100%; box-sizing: border-box; padding: .4rem .5rem; font: inherit; border: 1px solid #8aa; border-radius: .25rem; background: #fff }
small { display: block; color: #52666a }
[role=status], [role=alert] { padding: .6rem .8rem; border-radius: .25rem; background: #dcefe6 }
[role=alert] { background: #f6dede }
button { margin: 1.5rem .5rem 0 0; padding: .5rem 1.2rem; font: inherit; border: 1px solid #2f5d62; border-radius: .25rem; background: #fff; color: #2f5d62 }
button.first { background: #2f5d62; color: #fff }
@media (prefers-color-scheme: dark) { body { background: #10191a; color: #e4eded } input:not([type=checkbox]), select, button { background: #1b292b; color: inherit } small { color: #9fb4b7 } [role=status] { background: #1d4033 } [role=alert] { background: #572a2a } }
`

/** The settings page: a form, no script. */
export function settingsPage({ fields, offersRestart, said }: PageState): string {
  const restart = offersRestart
    ? '<label class="flag"><input type="checkbox" name="restart" value="1"> Restart my desktop first: its programs end</label>'
    : ''
  return document(`<h1>Settings of Ostler</h1>
${said === undefined ? '' : `<p role="${said.kind === 'done' ? 'status' : 'alert'}">${html(said.text)}</p>`}
<form method="post" action="/">
${fields.map(inputOf).join('\n')}
${restart}
<button class="first" name="act" value="save">Save</button>
<button name="act" value="connect">Save and connect</button>
<button name="act" value="close">Close</button>
</form>`)
}

/** The last page. */
export function farewellPage(text: string): string {
  return document(`<h1>Settings of Ostler</h1>\n<p role="status">${html(text)}</p>`)
}

function inputOf({ key, label, kind, value, fixed, hint }: Standing): string {
  const state = fixed === undefined ? '' : ' disabled'
  const small = `<small>${html(fixed ?? hint)}</small>`
  if (kind === 'flag') {
    const ticked = value === '1' ? ' checked' : ''
    return `<label class="flag"><input type="checkbox" name="${key}" value="1"${ticked}${state}> ${html(label)}</label>`
  }
  const input =
    kind === 'text' || kind === 'number'
      ? `<input type="${kind}" name="${key}" value="${html(value)}"${state}>`
      : `<select name="${key}"${state}>${kind.map((word) => `<option${word === value ? ' selected' : ''}>${html(word)}</option>`).join('')}</select>`
  return `<label>${html(label)} ${input}</label>${small}`
}

function document(body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Settings of Ostler</title><link rel="stylesheet" href="/style.css"></head>
<body>
${body}
</body></html>
`
}

function html(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
