import { filesBelow } from '@ostler/kit/files-below.ts'
import { chmodSync, copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { step } from './apart.ts'
import { HOOK_FOLDER, type Recipe } from './recipe.ts'

/** Where in the image lies what it is completed with. */
export const WORKSHOP = 'var/tmp/ostler-image'

/**
 * Puts together what goes into a system that has its packages, as a tarball in which everything is root's and writable by nobody
 * else: the files of the recipe, its hooks, the agent and its configuration, and the program that completes the image.
 *
 * @param inside the folder of our programs that run in images.
 */
export async function makePayload(
  recipe: Recipe,
  work: string,
  inside: string,
  signal: AbortSignal,
): Promise<string> {
  const tree = join(work, 'payload')
  mkdirSync(tree)
  if (recipe.files !== undefined) cpSync(recipe.files, tree, { recursive: true, verbatimSymlinks: true })
  const workshop = join(tree, WORKSHOP)
  mkdirSync(workshop, { recursive: true })
  const program = (from: string, to: string): void => {
    copyFileSync(from, to)
    chmodSync(to, 0o755)
  }
  program(join(inside, 'finish'), join(workshop, 'finish'))
  if (recipe.customize !== undefined) program(recipe.customize, join(workshop, 'customize'))
  if (recipe.agent !== undefined) copyFileSync(recipe.agent, join(workshop, 'agent.deb'))
  for (const key of ['locale', 'timezone', 'format'] as const)
    writeFileSync(join(workshop, key), `${recipe.values[key]}\n`)
  const servers = recipe.values.dns.map((address) => `nameserver ${address}\n`)
  writeFileSync(join(workshop, 'resolv.conf'), servers.join(''))
  if (recipe.hooks.length > 0) mkdirSync(join(tree, HOOK_FOLDER), { recursive: true })
  for (const hook of recipe.hooks) program(hook, join(tree, HOOK_FOLDER, basename(hook)))
  if (recipe.agentKeys.length > 0) {
    mkdirSync(join(tree, 'etc/ostler'), { recursive: true })
    writeFileSync(join(tree, 'etc/ostler/vma.conf'), vmaConf(recipe))
  }
  const archive = join(work, 'payload.tar')
  const owned = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u+rw,go-w,a+r']
  // Folders are not named, so those of the system keep the modes that they have.
  const named = ['--no-recursion', '--null', '--verbatim-files-from', '--files-from=-']
  await step(['tar', '--create', `--file=${archive}`, `--directory=${tree}`, ...owned, ...named], {
    signal,
    input: filesBelow(tree).join('\0'),
  })
  return archive
}

function vmaConf({ file, agentKeys }: Recipe): string {
  const lines = agentKeys.map(([key, value]) => `${key} = ${value.replaceAll('${', '$${')}\n`)
  return `# From the recipe ${basename(file)} of this image.\n${lines.join('')}`
}
