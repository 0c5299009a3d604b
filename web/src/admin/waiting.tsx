import { type ApiError, problemText } from './api.ts'
import { say } from './words.ts'

/** Stands where something is to come, or says why it does not. */
export function Waiting({ trouble }: { readonly trouble: ApiError | undefined }) {
  return trouble === undefined ? <p>{say('loading')}</p> : <p role="alert">{problemText(trouble)}</p>
}
