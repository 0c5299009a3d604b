import { findOpenDesktop } from '../control/control-client.ts'
import { shareAnswer, sharesAnswer } from '../control/control-words.ts'
import { wantedShare } from './wanted-share.ts'

type Print = (line: string) => void

/** `ostler share`: gives an open desktop one more folder, `PATH[=NAME][:ro]`. @throws Fault. */
export async function shareFolder(text: string, desktop: string | undefined, print: Print): Promise<void> {
  const share = wantedShare(text)
  const open = await findOpenDesktop(desktop)
  const { place, readOnly } = shareAnswer.parse(await open.ask({ do: 'share', ...share }))
  print(`${share.path} is ${place} in ${open.desktop}${readOnly ? ', for reading only' : ''}.`)
}

/** `ostler unshare`: takes one back, by its name in the desktop or its path here. @throws Fault. */
export async function unshareFolder(word: string, desktop: string | undefined): Promise<void> {
  const open = await findOpenDesktop(desktop)
  await open.ask({ do: 'unshare', word })
}

/** `ostler shares`: lists them. @throws Fault. */
export async function listShares(desktop: string | undefined, print: Print): Promise<void> {
  const open = await findOpenDesktop(desktop)
  for (const { place, path, readOnly, there } of sharesAnswer.parse(await open.ask({ do: 'shares' })))
    print(`${place}  ${readOnly ? 'ro' : 'rw'}  ${path}${there ? '' : '  (its line is broken)'}`)
}
