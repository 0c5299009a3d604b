import { Fault } from '@ostler/contract/fault.ts'
import { onAbort } from '@ostler/kit/on-abort.ts'
import { Command } from 'commander'
import { loadSettings } from '../config/load.ts'
import { type Places, placesOf } from '../config/places.ts'
import { changesIn, fieldsOf } from '../settings/fields.ts'
import { writeKeys } from '../settings/file.ts'
import { openInBrowser } from '../settings/open.ts'
import { farewellPage, settingsPage, type PageState } from '../settings/page.ts'
import { serveSettings, type Settings } from '../settings/server.ts'
import { connectOnce, withConnection } from './connect.ts'
import { settingsFor, withServer } from './server-options.ts'
import type { Workplace } from './workplace.ts'

export function settingsCommand(workplace: Workplace): Command {
  return withConnection(
    withServer(
      new Command('settings').description('change the settings in a browser, and connect from there'),
    ),
  ).action(async (host: string | undefined, _: unknown, command: Command) => {
    const { config } = settingsFor(workplace, command, host)
    if (!config.values['client.show.settings'])
      throw new Fault('client.hidden', { origin: config.origin('client.show.settings') })
    const { end, restart } = await letChange(workplace)
    if (end === 'connect') await connectOnce(workplace, command, host, { restart })
  })
}

/** Shows the page until it is closed. */
async function letChange(workplace: Workplace): Promise<{ end: string; restart: boolean }> {
  const { terminal, environment, signal } = workplace
  const places = placesOf(environment)
  let restart = false
  const settings = pageOver(places, (form) => {
    restart = form.get('restart') === '1'
  })
  await using server = await serveSettings(settings)
  using opened = openInBrowser(server.address, environment)
  terminal.tell(opened === undefined ? `Open ${server.address}` : `The settings are at ${server.address}`)
  const aborted = Promise.withResolvers<'closed'>()
  using _ = onAbort(signal, () => aborted.resolve('closed'))
  const end = await Promise.race([server.end, aborted.promise])
  if (end === 'forgotten')
    terminal.tell('Nobody has touched the settings for 15 minutes: the page is closed.')
  return { end, restart }
}

/** The page over the user's own file: what it says wins over the files before it, and is checked before it is written. */
function pageOver(places: Places, connecting: (form: ReadonlyMap<string, string>) => void): Settings {
  const stateOf = (said?: PageState['said']): PageState => {
    const { config } = loadSettings(places, {}, {})
    const state = { fields: fieldsOf(config), offersRestart: config.values['client.kill_vm.display'] }
    return said === undefined ? state : { ...state, said }
  }
  return {
    show: () => settingsPage(stateOf()),
    take: (form) => {
      const act = form.get('act')
      if (act === 'close')
        return { page: farewellPage('Nothing was changed. You may close this page.'), end: 'closed' }
      const changes = changesIn(stateOf().fields, form)
      try {
        loadSettings(places, {}, changes)
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        return { page: settingsPage(stateOf({ kind: 'wrong', text: error.message })) }
      }
      if (Object.keys(changes).length > 0) writeKeys(places.ownFile, changes)
      if (act !== 'connect')
        return { page: settingsPage(stateOf({ kind: 'done', text: `Saved in ${places.ownFile}.` })) }
      connecting(form)
      return { page: farewellPage('Saved. Your desktop opens; you may close this page.'), end: 'connect' }
    },
  }
}
