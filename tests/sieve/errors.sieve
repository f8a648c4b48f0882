fileinto "a";
keep :nonsense;
if size 3 {}
