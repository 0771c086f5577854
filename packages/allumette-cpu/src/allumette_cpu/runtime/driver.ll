; The driver: runs the calls of a bound plan, alone or with the pool's workers.
;
; A kernel is `void kernel(i64 block, i64 thread, ptr args)`, and its blocks may run in any order.
; The text stays free of targets: driver.py gives @relax a body, and @header the size of an object's
; header, after which an array has its address, and a list its length and its items.
;
; pool, one cache line (8 words) a field:
;    0  state   bit 32: a job is open to join; low half: how many workers have joined
;    8  job     kernel, blocks, args
;   16  owner   1 while some caller uses the pool
;   24  threads
;   32  taken   for each thread, a cache line each: how many blocks of its share are handed out
; A thread's share is the same stretch of blocks in every job, so that what it has in its cache is
; what it needs next time; a thread that is done takes from the shares of those after it.
; plan, words:
;    0  number of calls       1  where they start: kernel, blocks, args (word of the table), shared
;    2  number of patches     3  where they start: word of the table, source, offset
;    4  words of the table    5  where its template starts
;    6  the pool, or 0        7  whether to let go of the interpreter's lock meanwhile
;    8  what is needed of Python: None, Py_NewRef, PyEval_SaveThread, PyEval_RestoreThread
; A plan runs on arrays: the frame, then buffers. A patch sets a word of the table to the address of
; array `source` plus the offset. The frame starts with the table.

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define internal void @blocks(ptr %pool, i64 %thread) {
entry:
  %job = getelementptr i64, ptr %pool, i64 8
  %kernel = load ptr, ptr %job
  %count.at = getelementptr i64, ptr %job, i64 1
  %count = load i64, ptr %count.at
  %args.at = getelementptr i64, ptr %job, i64 2
  %args = load ptr, ptr %args.at
  %threads.at = getelementptr i64, ptr %pool, i64 24
  %threads = load i64, ptr %threads.at
  %counters = getelementptr i64, ptr %pool, i64 32
  br label %share
share:
  %turn = phi i64 [ 0, %entry ], [ %turn.next, %next ]
  %sum = add i64 %thread, %turn
  %whose = urem i64 %sum, %threads
  %after = add i64 %whose, 1
  %low = mul i64 %whose, %count
  %first = udiv i64 %low, %threads
  %high = mul i64 %after, %count
  %end = udiv i64 %high, %threads
  %line = mul i64 %whose, 8
  %counter = getelementptr i64, ptr %counters, i64 %line
  br label %take
take:
  %taken = atomicrmw add ptr %counter, i64 1 acq_rel
  %block = add i64 %first, %taken
  %some = icmp slt i64 %block, %end
  br i1 %some, label %work, label %next
work:
  call void %kernel(i64 %block, i64 %thread, ptr %args)
  br label %take
next:
  %turn.next = add i64 %turn, 1
  %more = icmp slt i64 %turn.next, %threads
  br i1 %more, label %share, label %close
close:                                       ; whoever finds no block left lets nobody else in
  %old = atomicrmw and ptr %pool, i64 4294967295 acq_rel
  ret void
}

; Waits `spins` rounds for a job; joins each one that comes and starts to count anew.
define void @work(ptr %pool, i64 %thread, i64 %spins) {
entry:
  br label %wait
wait:
  %left = phi i64 [ %spins, %entry ], [ %less, %idle ], [ %spins, %joined ]
  %state = load atomic i64, ptr %pool acquire, align 8
  %open = icmp uge i64 %state, 4294967296
  br i1 %open, label %join, label %idle
join:
  %more = add i64 %state, 1
  %pair = cmpxchg ptr %pool, i64 %state, i64 %more acq_rel acquire
  %won = extractvalue { i64, i1 } %pair, 1
  br i1 %won, label %joined, label %idle
joined:
  call void @blocks(ptr %pool, i64 %thread)
  %before = atomicrmw sub ptr %pool, i64 1 acq_rel
  br label %wait
idle:
  call void @relax()
  %less = sub i64 %left, 1
  %on = icmp sgt i64 %less, 0
  br i1 %on, label %wait, label %done
done:
  ret void
}

define internal void @share(ptr %pool, ptr %kernel, i64 %count, ptr %args) {
entry:
  %job = getelementptr i64, ptr %pool, i64 8
  store ptr %kernel, ptr %job
  %count.at = getelementptr i64, ptr %job, i64 1
  store i64 %count, ptr %count.at
  %args.at = getelementptr i64, ptr %job, i64 2
  store ptr %args, ptr %args.at
  %threads.at = getelementptr i64, ptr %pool, i64 24
  %threads = load i64, ptr %threads.at
  %counters = getelementptr i64, ptr %pool, i64 32
  br label %reset
reset:
  %thread = phi i64 [ 0, %entry ], [ %following, %reset ]
  %line = mul i64 %thread, 8
  %counter = getelementptr i64, ptr %counters, i64 %line
  store atomic i64 0, ptr %counter monotonic, align 8
  %following = add i64 %thread, 1
  %more = icmp slt i64 %following, %threads
  br i1 %more, label %reset, label %open
open:
  store atomic i64 4294967296, ptr %pool release, align 8
  call void @blocks(ptr %pool, i64 0)
  br label %wait
wait:                                        ; only for workers that joined
  %state = load atomic i64, ptr %pool acquire, align 8
  %busy = icmp ne i64 %state, 0
  br i1 %busy, label %again, label %done
again:
  call void @relax()
  br label %wait
done:
  ret void
}

define internal void @alone(ptr %kernel, i64 %count, ptr %args) {
entry:
  %any = icmp sgt i64 %count, 0
  br i1 %any, label %loop, label %done
loop:
  %block = phi i64 [ 0, %entry ], [ %next, %loop ]
  call void %kernel(i64 %block, i64 0, ptr %args)
  %next = add i64 %block, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %done
done:
  ret void
}

; The address of an array: `data` bytes from the start of an object; if data < 0, the object is it.
define internal ptr @address(ptr %objects, i64 %number, i64 %data) alwaysinline {
entry:
  %object.at = getelementptr ptr, ptr %objects, i64 %number
  %object = load ptr, ptr %object.at
  %direct = icmp slt i64 %data, 0
  br i1 %direct, label %done, label %follow
follow:
  %field = getelementptr i8, ptr %object, i64 %data
  %found = load ptr, ptr %field
  br label %done
done:
  %address = phi ptr [ %object, %entry ], [ %found, %follow ]
  ret ptr %address
}

define internal void @bind(ptr %plan, ptr %objects, i64 %data, ptr %frame) {
entry:
  %words.at = getelementptr i64, ptr %plan, i64 4
  %words = load i64, ptr %words.at
  %size = mul i64 %words, 8
  %template.at = getelementptr i64, ptr %plan, i64 5
  %template.word = load i64, ptr %template.at
  %template = getelementptr i64, ptr %plan, i64 %template.word
  call void @llvm.memcpy.p0.p0.i64(ptr %frame, ptr %template, i64 %size, i1 false)
  %count.at = getelementptr i64, ptr %plan, i64 2
  %count = load i64, ptr %count.at
  %first.at = getelementptr i64, ptr %plan, i64 3
  %first = load i64, ptr %first.at
  %patches = getelementptr i64, ptr %plan, i64 %first
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %i.next, %patch ]
  %some = icmp slt i64 %i, %count
  br i1 %some, label %patch, label %done
patch:
  %word = mul i64 %i, 3
  %slot.at = getelementptr i64, ptr %patches, i64 %word
  %slot = load i64, ptr %slot.at
  %source.at = getelementptr i64, ptr %slot.at, i64 1
  %source = load i64, ptr %source.at
  %offset.at = getelementptr i64, ptr %slot.at, i64 2
  %offset = load i64, ptr %offset.at
  %base = call ptr @address(ptr %objects, i64 %source, i64 %data)
  %value = getelementptr i8, ptr %base, i64 %offset
  %at = getelementptr i64, ptr %frame, i64 %slot
  store ptr %value, ptr %at
  %i.next = add i64 %i, 1
  br label %head
done:
  ret void
}

; Runs `plan` on the arrays in `objects` (see @address). A pool in use is not waited for.
define void @run(ptr %plan, ptr %objects, i64 %data) {
entry:
  %frame = call ptr @address(ptr %objects, i64 0, i64 %data)
  call void @bind(ptr %plan, ptr %objects, i64 %data, ptr %frame)
  %pool.at = getelementptr i64, ptr %plan, i64 6
  %pool = load ptr, ptr %pool.at
  %count = load i64, ptr %plan
  %first.at = getelementptr i64, ptr %plan, i64 1
  %first = load i64, ptr %first.at
  %calls = getelementptr i64, ptr %plan, i64 %first
  %owner = getelementptr i64, ptr %pool, i64 16
  %none = icmp eq ptr %pool, null
  br i1 %none, label %start, label %own
own:
  %pair = cmpxchg ptr %owner, i64 0, i64 1 acq_rel acquire
  %won = extractvalue { i64, i1 } %pair, 1
  br label %start
start:
  %owned = phi i1 [ false, %entry ], [ %won, %own ]
  br label %head
head:
  %i = phi i64 [ 0, %start ], [ %i.next, %next ]
  %some = icmp slt i64 %i, %count
  br i1 %some, label %call, label %finish
call:
  %word = mul i64 %i, 4
  %kernel.at = getelementptr i64, ptr %calls, i64 %word
  %kernel = load ptr, ptr %kernel.at
  %blocks.at = getelementptr i64, ptr %kernel.at, i64 1
  %blocks = load i64, ptr %blocks.at
  %args.at = getelementptr i64, ptr %kernel.at, i64 2
  %args.word = load i64, ptr %args.at
  %args = getelementptr i64, ptr %frame, i64 %args.word
  %shared.at = getelementptr i64, ptr %kernel.at, i64 3
  %shared.word = load i64, ptr %shared.at
  %shared = icmp ne i64 %shared.word, 0
  %both = and i1 %shared, %owned
  br i1 %both, label %together, label %single
together:
  call void @share(ptr %pool, ptr %kernel, i64 %blocks, ptr %args)
  br label %next
single:
  call void @alone(ptr %kernel, i64 %blocks, ptr %args)
  br label %next
next:
  %i.next = add i64 %i, 1
  br label %head
finish:
  br i1 %owned, label %release, label %done
release:
  store atomic i64 0, ptr %owner release, align 8
  br label %done
done:
  ret void
}

; A built-in function of Python's: `self` is the array that holds a plan, `list` one of arrays.
define ptr @call(ptr %self, ptr %list) {
entry:
  %header = load i64, ptr @header
  %plan.at = getelementptr i8, ptr %self, i64 %header
  %plan = load ptr, ptr %plan.at
  %length = getelementptr i8, ptr %list, i64 %header
  %items = getelementptr i64, ptr %length, i64 1
  %objects = load ptr, ptr %items
  %python.at = getelementptr i64, ptr %plan, i64 8
  %python = load ptr, ptr %python.at
  %releases.at = getelementptr i64, ptr %plan, i64 7
  %releases = load i64, ptr %releases.at
  %held = icmp eq i64 %releases, 0
  br i1 %held, label %quick, label %long
quick:
  call void @run(ptr %plan, ptr %objects, i64 %header)
  br label %done
long:
  %save.at = getelementptr ptr, ptr %python, i64 2
  %save = load ptr, ptr %save.at
  %thread = call ptr %save()
  call void @run(ptr %plan, ptr %objects, i64 %header)
  %restore.at = getelementptr ptr, ptr %python, i64 3
  %restore = load ptr, ptr %restore.at
  call void %restore(ptr %thread)
  br label %done
done:
  %none = load ptr, ptr %python
  %new.at = getelementptr ptr, ptr %python, i64 1
  %new = load ptr, ptr %new.at
  %result = call ptr %new(ptr %none)
  ret ptr %result
}
