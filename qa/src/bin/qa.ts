import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { text } from 'node:stream/consumers'
import { apiClient } from '../api-client.ts'
import { runCommand } from '../commands.ts'

const USAGE = `qa: administer Ostler from a node.

usage: qa user add login=NAME password=-             the password comes from standard input
       qa osf  add name=NAME [memory=MB] [cpus=N]    a flavour
       qa di   add name=NAME osf=FLAVOUR kind=instant|directory|tarball [path=PATH]
       qa vm   add name=NAME user=LOGIN osf=FLAVOUR
       qa user|osf|di|vm list
       qa vm   start|stop|disconnect|explain -f name=NAME

The api's socket is OSTLER_API_SOCKET, else /run/ostler/api/api.sock.`

async function main(): Promise<void> {
  const words = process.argv.slice(2)
  if (words.length === 0 || words[0] === '--help' || words[0] === '-h') return void console.log(USAGE)
  const socket = process.env['OSTLER_API_SOCKET'] ?? '/run/ostler/api/api.sock'
  await runCommand(words, apiClient(socket), {
    print: (line) => console.log(line),
    readInput: () => text(process.stdin),
  })
}

runMain(main, lastSentence)
