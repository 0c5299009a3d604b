import { BulkButton, eachOf } from './bulk.tsx'
import type { Choice } from './list.tsx'
import { say } from './words.ts'

interface BlockButtonsProps<T> {
  readonly choice: Choice<T>
  readonly onDone: () => void
  readonly block: (row: T, blocked: boolean) => Promise<unknown>
}

/** Blocks chosen rows, and takes that back; for what there is no way at once. */
export function BlockButtons<T extends { readonly id: number; readonly name: string }>({
  choice,
  onDone,
  block,
}: BlockButtonsProps<T>) {
  return (
    <>
      {([true, false] as const).map((blocked) => (
        <BulkButton
          key={String(blocked)}
          {...{ choice, onDone }}
          title={say(blocked ? 'block' : 'unblock')}
          way={eachOf(
            choice.rows ?? [],
            ({ name }) => name,
            (row) => block(row, blocked),
          )}
        />
      ))}
    </>
  )
}
