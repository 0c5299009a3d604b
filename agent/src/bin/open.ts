import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { openAtClient } from '../slave/open-at-client.ts'

const USAGE = `usage: ostler-open LINK|FILE…

Opens web pages, mail addresses and copies of documents on the computer from which this desktop is used, if its
user has allowed that there (docs/slave.md).`

runMain(async () => {
  const wanted = process.argv.slice(2)
  if (wanted.length === 0 || wanted.includes('--help')) return void console.log(USAGE)
  const socket = process.env['OSTLER_OPEN_SOCKET'] ?? '/run/ostler/session/open.sock'
  for (const each of wanted) await openAtClient(socket, each)
}, lastSentence)
