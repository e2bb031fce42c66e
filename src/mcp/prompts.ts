/** The prompts that a host can offer its user: what to do in which order with the tools, and the user's own words as data. */
import { z } from 'zod'
import { nearest } from '../config/nearest.ts'
import { SqlError } from '../errors.ts'
