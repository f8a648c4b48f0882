//! The workshop: transcripts, fakes and fuzz bodies for the tests of the other rooms.
