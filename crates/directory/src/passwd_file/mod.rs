#[derive(Debug)]
pub struct PasswdFile;
