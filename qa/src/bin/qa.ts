import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { text } from 'node:stream/consumers'
import { apiClient } from '../api-client.ts'
import { runCommand } from '../commands.ts'
import { isTunnelCommand, runTunnelCommand } from '../tunnel/commands.ts'

const USAGE = `qa: administer Ostler from a node.

usage: qa tenant add name=NAME
       qa user   add login=NAME [password=-] [tenant=NAME] [role=user|power|support]
       qa user   passwd user=LOGIN [tenant=NAME]          the password comes from standard input
       qa user   propget|propdel -f login=LOGIN[,tenant=NAME] [KEY …]
       qa user   propset -f login=LOGIN[,tenant=NAME] KEY=VALUE …
       qa osf    add name=NAME [memory=MB] [cpus=N] [application=1]     a flavour
       qa di     add name=NAME osf=FLAVOUR kind=instant|directory|tarball|squashfs [path=PATH]
       qa vm     add name=NAME user=LOGIN osf=FLAVOUR [tenant=NAME]
       qa vm     start|stop|disconnect|explain -f name=NAME
       qa vm|osf del -f name=NAME                         the home is kept in the trash
       qa user   del -f login=LOGIN[,tenant=NAME]         with her desktops; her homes are kept in the trash
       qa osf    edit -f name=NAME user_storage_size=MB   what homes may hold; 0: no limit
       qa home   list | del|purge -f id=N
       qa home   restore -f id=N [user=LOGIN] [osf=NAME] [tenant=NAME]
       qa home   adopt user=LOGIN osf=NAME [tenant=NAME] [path=PATH] [kind=directory|image|raw|qcow2]
       qa vm     reset -f name=NAME                       a failed desktop may start again
       qa vm     console NAME|ID [user=ACCOUNT]           a login shell, root's; left by ~. at the begin of a line
       qa vm     ssh NAME|ID [-- WORDS FOR SSH …]
       qa vm     vnc NAME|ID                              the session of whoever works there, who is asked first
       qa vm     tunnel NAME|ID kind=ssh|serial|support   on standard input and output
       qa user   block|unblock -f login=LOGIN[,tenant=NAME]
       qa tenant|host|vm block|unblock -f name=NAME
       qa tenant|user|group|host|osf|di|vm|policy list
       qa di     roll-out di=NAME [tag=TAG] [canary=5%] [wave=100%] [pause=10m] [soft=TIME] [hard=TIME]
                 [idle=restart|wait] [stop-on=1]           previews; says how it is begun
       qa job    list | show|run|pause|resume|stop -f id=NUMBER [--watch]
       qa group  add name=NAME [tenant=NAME] | join|leave -f name=NAME[,tenant=NAME] user=LOGIN | del -f name=NAME
       qa tenant edit -f name=NAME name=NAME | del -f name=NAME
       qa osf    edit -f name=NAME [max_desktops=N] [max_per_user=N] [net_in=KBIT] [net_out=KBIT]
       qa policy add name=NAME [position=N] [tenant= user= group= role= osf= vm= from=CIDR,…]
                 [use=yes|no displays=nx,rfb clipboard=none|in|out|both folders=off|ro|rw roots=PATH,…
                 printing= audio= usb=yes|no quota=N]
       qa policy del -f name=NAME
       qa backup now|list                                 a verified copy of the database, in path.backup
       qa notice list                                     what administrators were told
       qa host   add name=NODENAME                        before another node starts with this database
       qa config get|del [KEY …] [tenant=NAME] [--origin]
       qa config list [tenant=NAME]                       every key, and where its value comes from
       qa config set KEY=VALUE … [tenant=NAME]            says what does not count at once
       qa config doctor                                   keys that are set and not used, and why
       qa config import FILE [tenant.NUMBER=NAME …] [--apply]    a QVD's node.conf, or a dump of its table configs
       qa config ssl [key=FILE cert=FILE [ca=FILE] [crl=FILE] | del]    the certificate of all doors

A value of - is read from standard input.
The api's socket is OSTLER_API_SOCKET, else /run/ostler/api/api.sock.`

async function main(): Promise<void> {
  const words = process.argv.slice(2)
  if (words.length === 0 || words[0] === '--help' || words[0] === '-h') return void console.log(USAGE)
  const socket = process.env['OSTLER_API_SOCKET'] ?? '/run/ostler/api/api.sock'
  const api = apiClient(socket)
  if (isTunnelCommand(words)) {
    const terminal = { input: process.stdin, output: process.stdout, notes: process.stderr }
    const self = { argv: [process.execPath, process.argv[1] ?? ''] }
    process.exitCode = await runTunnelCommand(words, { api, terminal, self, env: process.env })
    // Standard input that is not at its end would keep us.
    return void process.stdin.destroy()
  }
  await runCommand(words, api, {
    print: (line) => console.log(line),
    readInput: () => text(process.stdin),
  })
}

runMain(main, lastSentence)
