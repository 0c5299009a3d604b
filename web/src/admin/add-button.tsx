import { useState } from 'preact/hooks'
import { type Field, FormDialog } from './dialog.tsx'
import { say } from './words.ts'

interface AddButtonProps {
  readonly title: string
  readonly fields: readonly Field[]
  /** What was filled in: empty fields are left out. */
  readonly onSubmit: (said: Readonly<Record<string, string>>) => Promise<unknown>
}

/** Adds something to a list: a button, and the form that it opens. */
export function AddButton({ title, fields, onSubmit }: AddButtonProps) {
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <button class="main" onClick={() => setOpen(true)}>
        {title}
      </button>
      {isOpen && (
        <FormDialog {...{ title, fields, onSubmit }} action={say('add')} onClose={() => setOpen(false)} />
      )}
    </>
  )
}
